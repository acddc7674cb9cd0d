"""A slider that a screen reader can name; the sliders of ipywidgets have no accessible name."""

import anywidget
import traitlets
from ipywidgets import ValueWidget

SCRIPT = """
function render({ model, el }) {
    const label = document.createElement("label");
    const name = document.createElement("span");
    const slider = document.createElement("input");
    const shown = document.createElement("output");
    label.style = "display: flex; gap: 0.75em; align-items: center";
    name.style = "min-width: 5em; text-align: right";
    slider.type = "range";
    slider.style = "width: 18em";
    slider.dataset.lmSuppressShortcuts = "true";  // or JupyterLab takes the arrow keys
    label.append(name, slider, shown);
    el.append(label);
    const digits = () => (String(model.get("step")).split(".")[1] || "").length;
    const show = () => { shown.textContent = Number(slider.value).toFixed(digits()); };
    const read = () => {
        name.textContent = model.get("description");
        for (const part of ["min", "max", "step", "value"]) slider[part] = model.get(part);
        show();
    };
    read();
    model.on("change:value change:description", read);
    slider.addEventListener("input", show);
    slider.addEventListener("change", () => {
        model.set("value", Number(slider.value));
        model.save_changes();
    });
}
export default { render };
"""


class Slider(anywidget.AnyWidget, ValueWidget):
    """A number between two limits. It changes when the handle is released, or by arrow keys.

    Attributes
    ----------
    value, min, max, step : float
        The value is an int where it is a whole number.
    description : str
        Its label.
    """

    _esm = SCRIPT
    value = traitlets.Union([traitlets.Int(), traitlets.Float()]).tag(sync=True)
    min = traitlets.Float().tag(sync=True)
    max = traitlets.Float().tag(sync=True)
    step = traitlets.Float().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)
