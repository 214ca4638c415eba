// While the words of a mail are typed, the server checks them and the preview follows. Without this file a button does.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form[data-mail-text]");
  if (!form || !form.querySelector("button")) return;
  form.querySelectorAll("[data-without-script]").forEach((button) => { button.hidden = true; });
  const shown = (name) => document.querySelector(`[data-preview="${name}"]`);
  let timer = 0;
  let asked = 0;
  const show = (answer) => {
    form.querySelectorAll("[data-field]").forEach((field) => {
      const said = answer.errors[field.dataset.field] || [];
      field.classList.toggle("desk-field--bad", said.length > 0);
      field.querySelector("[data-errors]").replaceChildren(...said.map((sentence) => {
        const line = document.createElement("p");
        line.className = "desk-error";
        line.textContent = sentence;
        return line;
      }));
    });
    if (Object.keys(answer.errors).length) return;
    shown("subject").textContent = answer.subject;
    shown("text").textContent = answer.text;
    shown("html").srcdoc = answer.html;
  };
  const check = async () => {
    const turn = ++asked;
    const body = new FormData(form);
    body.set("act", "check");
    try {
      const answer = await fetch(form.action, { method: "POST", body });
      if (answer.ok && turn === asked) show(await answer.json());
    } catch {
      // nothing is lost: the words are checked again when they are saved
    }
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(check, 300); });
});
