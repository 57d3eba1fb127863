"use strict";
(() => {
  const opened = document.getElementById("opened");
  const title = document.getElementById("opened-title");
  const buttons = [...document.querySelectorAll("[data-cell]")];
  const figures = opened ? [...opened.querySelectorAll(".cell")] : [];

  function open(button) {
    const { set, cell } = button.dataset;
    let shown = 0;
    for (const figure of figures) {
      figure.hidden = figure.dataset[set] !== cell;
      shown += figure.hidden ? 0 : 1;
      for (const text of figure.querySelectorAll("[data-of]")) text.hidden = text.dataset.of !== set;
    }
    const all = Number(button.querySelector(".count").textContent);
    title.textContent = button.title + (shown < all ? "; " + (all - shown) + " not in this page" : "");
    button.closest(".box").append(opened);
    opened.hidden = false;
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      const close = button.getAttribute("aria-expanded") === "true";
      for (const other of buttons) other.setAttribute("aria-expanded", "false");
      button.setAttribute("aria-expanded", String(!close));
      if (close) opened.hidden = true;
      else open(button);
    });
  }

  const slider = document.getElementById("threshold");
  if (slider) {
    const rows = JSON.parse(slider.dataset.rows);
    slider.addEventListener("input", () => {
      for (const [name, text] of Object.entries(rows[Number(slider.value)])) {
        document.getElementById("threshold-" + name).textContent = text;
      }
    });
  }
})();
