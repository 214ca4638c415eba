// The few things a page does better with a script. Every page works without it.
"use strict";

(() => {
  const each = (selector, act) => document.querySelectorAll(selector).forEach(act);

  // Copy buttons.
  each("[data-copy]", (button) => {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      if (!button.textContent.trim()) { // drawn by the style sheet: its name says it, its colour repeats it
        const name = button.getAttribute("aria-label");
        button.setAttribute("aria-label", "Copied");
        button.classList.add("desk-copy__icon--done");
        setTimeout(() => {
          button.setAttribute("aria-label", name);
          button.classList.remove("desk-copy__icon--done");
        }, 1500);
        return;
      }
      const label = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = label; }, 1500);
    });
  });

  // A form that changes something is sent once.
  each("form[data-once]", (form) => {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) {
        event.preventDefault();
        return;
      }
      form.dataset.sent = "yes";
      form.querySelectorAll("button[type=submit]").forEach((button) => button.setAttribute("aria-busy", "true"));
    });
  });
  window.addEventListener("pageshow", () => each("form[data-sent]", (form) => {
    delete form.dataset.sent;
    form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
  }));

  // Filter bar: one chip open at a time, closed by a click elsewhere or Escape; empty fields stay out of the address.
  const chips = () => document.querySelectorAll("details.desk-chip[open], details.desk-menu[open]");
  document.addEventListener("click", (event) => chips().forEach((chip) => {
    if (!chip.contains(event.target)) chip.open = false;
  }));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    chips().forEach((chip) => { chip.open = false; chip.querySelector("summary").focus(); });
  });
  each("details.desk-chip", (chip) => chip.addEventListener("toggle", () => {
    const panel = chip.querySelector(".desk-chip__panel");
    panel.classList.toggle("desk-chip__panel--end", chip.open && panel.getBoundingClientRect().right > window.innerWidth);
    if (!chip.open) panel.classList.remove("desk-chip__panel--end");
  }));
  each("#desk-filters", (form) => form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData.entries()]) {
      if (value === "") event.formData.delete(name);
    }
  }));

  // Lists: name each cell for the card layout of phones.
  each("#result_list", (table) => {
    const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    [...table.tBodies[0].rows].forEach((row) => [...row.cells].forEach((cell, index) => {
      if (heads[index]) cell.dataset.label = heads[index];
    }));
  });

  // On a phone the less common bulk buttons fold away.
  if (window.matchMedia("(max-width: 700px)").matches) each("details.desk-more", (more) => { more.open = false; });

  // The bulk buttons wake when something is selected.
  const list = document.getElementById("changelist-form");
  if (list) {
    const buttons = list.querySelectorAll(".desk-actions button");
    const refresh = () => {
      const some = list.querySelector("input.action-select:checked") !== null;
      buttons.forEach((button) => { button.disabled = !some; });
      list.classList.toggle("desk-selecting", some);
    };
    list.addEventListener("change", refresh);
    list.addEventListener("click", () => setTimeout(refresh));
    window.addEventListener("pageshow", refresh);
    refresh();
  }
})();
