"use strict";
const { key, exercise, most } = document.body.dataset;
const answers = [...document.querySelectorAll("article")];
const status = document.getElementById("status");
const keys = document.getElementById("keys");
const place = `gancourse review ${key} ${exercise}`;
let current = -1;
let stores = true;

const points = (answer) => answer.querySelector("input");
const comment = (answer) => answer.querySelector("textarea");
const given = (field) => field.value.trim();
const number = (answer) => Number(given(points(answer)).replace(",", "."));
const entered = (field) => given(field) !== "" && given(field) !== field.defaultValue.trim();
const changed = (answer) => repointed(answer) || entered(comment(answer));

function repointed(answer) {
  const before = points(answer).defaultValue || answer.dataset.earned;
  return entered(points(answer)) && number(answer) !== Number(before);
}

function valid(answer) {
  const text = given(points(answer)).replace(",", ".");
  return /^(\d+\.?\d*|\.\d+)?$/.test(text) && number(answer) <= Number(most);
}

function show() {
  for (const answer of answers) {
    answer.classList.toggle("changed", changed(answer));
    points(answer).setAttribute("aria-invalid", String(!valid(answer)));
  }
  const some = answers.filter(changed);
  const students = some.reduce((n, answer) => n + answer.querySelectorAll("li").length, 0);
  const wrong = answers.filter((answer) => !valid(answer)).length;
  let text = `Answer ${current + 1} of ${answers.length}. `;
  text += some.length ? `Changed: ${some.length}, of ${students} students.` : "Nothing changed.";
  if (wrong) text += ` Not a number from 0 to ${most}: ${wrong}.`;
  if (!stores) text += " This browser stores nothing here: download before you close the page.";
  status.textContent = text;
}

function save() {
  const state = {};
  for (const answer of answers.filter((a) => entered(points(a)) || entered(comment(a)))) {
    state[answer.id] = [points(answer).value, comment(answer).value];
  }
  try {
    localStorage.setItem(place, JSON.stringify(state));
  } catch {
    stores = false;
  }
  show();
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(place)) || {};
  } catch (error) {
    stores = error instanceof SyntaxError; // nothing that this page wrote
    return {};
  }
}

function load() {
  const state = stored();
  for (const answer of answers) {
    const fields = state[answer.id];
    if (!Array.isArray(fields) || fields.length !== 2) continue;
    [points(answer).value, comment(answer).value] = fields.map(String);
  }
}

function go(n, focus = true) {
  if (n < 0 || n >= answers.length) return;
  current = n;
  answers.forEach((answer, i) => {
    answer.classList.toggle("current", i === n);
    if (i === n) answer.setAttribute("aria-current", "true");
    else answer.removeAttribute("aria-current");
  });
  if (focus) {
    answers[n].focus({ preventScroll: true });
    answers[n].scrollIntoView({ block: "start" });
  }
  show();
}

function cell(text) {
  return /[",;\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function table() {
  const rows = [["student", "exercise", "points", "comment"]];
  for (const answer of answers.filter(changed)) {
    const mark = [
      repointed(answer) ? given(points(answer)) : "",
      entered(comment(answer)) ? given(comment(answer)) : "",
    ];
    for (const name of answer.querySelectorAll("li")) {
      rows.push([name.dataset.student, exercise, ...mark]);
    }
  }
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function download() {
  const wrong = answers.findIndex((answer) => !valid(answer));
  if (wrong >= 0) {
    go(wrong);
    points(answers[wrong]).focus();
    return;
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", table()], { type: "text/csv" }));
  link.download = `marks-${exercise}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.matches("input, textarea");
  if (field) {
    const leave = event.key === "Escape" || (event.key === "Enter" && event.target.matches("input"));
    if (leave) go(current);
    return;
  }
  const step = { n: 1, ArrowRight: 1, p: -1, ArrowLeft: -1 }[event.key];
  if (event.key === "?") {
    if (keys.open) keys.close();
    else keys.showModal();
  } else if (keys.open) {
    return;
  } else if (step) {
    go(Math.max(0, current + step));
  } else if (event.key === "c" && current >= 0) {
    comment(answers[current]).focus();
  } else if (/^\d$/.test(event.key) && current >= 0) {
    points(answers[current]).value = event.key;
    save();
  } else if (event.key === "Backspace" && current >= 0) {
    points(answers[current]).value = points(answers[current]).defaultValue;
    save();
  } else {
    return;
  }
  event.preventDefault();
}

load();
document.addEventListener("keydown", press);
document.addEventListener("input", save);
document.addEventListener("focusin", (event) => {
  const n = answers.indexOf(event.target.closest("article"));
  if (n >= 0 && n !== current) go(n, false);
});
document.addEventListener("click", (event) => {
  const n = answers.indexOf(event.target.closest("article"));
  if (n >= 0 && n !== current) go(n, false);
});
document.getElementById("download").addEventListener("click", download);
document.getElementById("help").addEventListener("click", () => keys.showModal());
document.getElementById("close").addEventListener("click", () => keys.close());
go(0, false);
show();
