// The grid: a box marks one reward used or unused without leaving the page. Without this the same form loads the list again.
"use strict";

(() => {
  const form = document.getElementById("desk-usage");
  const said = document.getElementById("desk-said");
  if (!form || !said) return;

  const say = (sentence, bad) => {
    said.textContent = sentence;
    said.classList.toggle("desk-said--bad", bad);
    said.classList.add("desk-said--on");
    clearTimeout(say.timer);
    say.timer = setTimeout(() => said.classList.remove("desk-said--on"), bad ? 12000 : 4000);
  };

  const redraw = (row, cells) => {
    for (const [name, html] of Object.entries(cells)) {
      const cell = row.querySelector(`.field-${name}`);
      if (cell) cell.innerHTML = html;
    }
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter;
    const row = button && button.closest("tr");
    if (!row || row.getAttribute("aria-busy")) return;
    row.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(button.formAction, {
        method: "POST",
        body: new FormData(form, button),
        headers: { Accept: "application/json" },
        credentials: "same-origin",
      });
      if (answer.status !== 200 && answer.status !== 409) throw new Error(String(answer.status));
      const told = await answer.json();
      redraw(row, told.cells);
      say(told.sentence, !told.done);
      const again = row.querySelector(".field-used_or_not button");
      if (again) again.focus();
    } catch {
      say("It is not known whether that was done. Load the page again to see.", true);
    } finally {
      row.removeAttribute("aria-busy");
    }
  });
})();
