// Gives each recording a player when it is opened: a page may hold many, and
// each player keeps a terminal of its own.
for (const box of document.querySelectorAll("details.recording")) {
  const show = () => {
    const stage = box.querySelector(".player");
    if (!box.open || stage.childElementCount) return;
    const data = JSON.parse(box.querySelector("script").textContent);
    AsciinemaPlayer.create({ data }, stage, { fit: "width", idleTimeLimit: 2, preload: true, poster: "npt:0:10" });
  };
  box.addEventListener("toggle", show);
  show();
}
