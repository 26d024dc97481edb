// Prints what is folded, too, and folds it again afterwards.
"use strict";
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const details of folded) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of folded) details.open = false;
});
// A link into what is folded opens it.
addEventListener("hashchange", reveal);
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target && target.closest("details:not([open])");
  if (!details) return;
  details.open = true;
  target.scrollIntoView();
}
reveal();
