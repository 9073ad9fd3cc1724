// What the pages under /notifications need beside htmx: choices that apply at once, toasts that fade, copying, fields that fit the kind.
const UNDO_MS = 10_000;
document.documentElement.classList.add("scripted");

for (const select of document.querySelectorAll(".tools .pickers select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

document.body.addEventListener("htmx:oobAfterSwap", () => {
  const toast = document.querySelector("#toasts [data-fades]");
  if (toast) setTimeout(() => toast.remove(), UNDO_MS);
});

const editor = document.getElementById("editor");
const chosen = () => editor.querySelector("[name=format]:checked");
let decided = Boolean(editor && chosen());

function fit() {
  const shape = chosen();
  for (const part of document.querySelectorAll("[data-secret-field]")) {
    part.hidden = shape?.dataset.secret === "none";
  }
  const address = editor.elements.address;
  if (shape && !address.dataset.stored) address.placeholder = shape.dataset.placeholder;
}

if (editor) {
  const address = editor.elements.address;
  if (address.placeholder !== "https://") address.dataset.stored = "yes";
  editor.addEventListener("change", (event) => {
    if (event.target.name === "format") decided = true;
    fit();
  });
  document.body.addEventListener("pierwatch:guessed", (event) => {
    if (decided) return;
    const shape = editor.querySelector(`[name=format][value="${CSS.escape(event.detail.value)}"]`);
    if (!shape || shape.checked) return;
    shape.checked = true;
    fit();
    shape.dispatchEvent(new InputEvent("input", { bubbles: true }));
  });
  fit();
}

function offerCopies() {
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
}
document.body.addEventListener("htmx:afterSettle", offerCopies);
document.body.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = button.dataset.done;
});
offerCopies();
