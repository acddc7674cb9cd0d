// Display equations that are wider than the page scroll: then the keyboard must reach them.
addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    for (const equation of document.querySelectorAll('mjx-container[display="true"]')) {
        if (equation.scrollWidth > equation.clientWidth) equation.tabIndex = 0;
    }
});
