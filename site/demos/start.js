/** Finds the demos of a page, and starts each when it is about to be seen. */

const DEMOS = {
    adversarial: () => import("./adversarial.js"),
    plane: () => import("./plane.js"),
    digits: () => import("./generators.js"),
    galaxies: () => import("./generators.js"),
    labels: () => import("./labels.js"),
    pyramid: () => import("./pyramid.js"),
    sentence: () => import("./sentence.js"),
    enlarge: () => import("./enlarge.js"),
    translate: () => import("./translate.js"),
};

/** @param {HTMLElement} element Has data-demo; its content stays where the demo can't run. */
async function start(element) {
    const name = /** @type {keyof typeof DEMOS} */ (element.dataset.demo);
    const note = element.querySelector(".demo-note");
    const place = document.createElement("div");
    place.hidden = true;
    element.append(place); // in the page, so that a demo can read its style
    try {
        const { mount } = await DEMOS[name]();
        await mount(place, name);
        element.replaceChildren(place);
        place.hidden = false;
        element.dataset.state = "ready";
    } catch (error) {
        place.remove();
        element.dataset.state = "failed";
        if (!note) return;
        const reason = location.protocol === "file:"
            ? "it was opened from a file; demos need a web server"
            : error instanceof Error ? error.message : String(error);
        note.textContent = `This demo can't run in this browser (${reason}). The figure shows a ` +
            "recorded result. A current Chrome, Edge, Firefox or Safari can run it.";
    }
}

const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        observer.unobserve(entry.target);
        start(/** @type {HTMLElement} */ (entry.target));
    }
}, { rootMargin: "300px" });
for (const element of document.querySelectorAll(".demo")) observer.observe(element);
