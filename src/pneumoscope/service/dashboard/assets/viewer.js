// The film on a canvas with window and level, its heat map above it; zoomed and moved by wheel, pointer or keys.
const START = { heat: 45, level: 50, window: 100, zoom: 100 };
const seen = new WeakMap(); // one state for each place in the page, for Streamlit calls this at every run

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".viewer");
  let viewer = seen.get(root);
  if (!viewer) {
    viewer = build(root);
    seen.set(root, viewer);
  }
  viewer.load(data);
}

function build(root) {
  const stage = root.querySelector(".stage");
  const canvas = root.querySelector("canvas");
  const heat = root.querySelector(".heat");
  const sliders = Object.fromEntries([...root.querySelectorAll("input")].map((input) => [input.name, input]));
  const invert = root.querySelector("button[name=invert]");
  let grey = null; // the film's own values
  let shown = null;
  let x = 0;
  let y = 0;

  const value = (name) => Number(sliders[name].value);

  function paint() {
    if (!grey) return;
    const table = new Uint8ClampedArray(256);
    const flip = invert.getAttribute("aria-pressed") === "true";
    for (let index = 0; index < 256; index++) {
      const bright = 255 * ((index / 255 - value("level") / 100) / (value("window") / 100) + 0.5);
      table[index] = flip ? 255 - bright : bright;
    }
    const picture = new ImageData(canvas.width, canvas.height);
    const words = new Uint32Array(picture.data.buffer);
    const colours = Uint32Array.from(table, (bright) => 0xff000000 | (bright << 16) | (bright << 8) | bright);
    for (let index = 0; index < grey.length; index++) words[index] = colours[grey[index]];
    canvas.getContext("2d").putImageData(picture, 0, 0);
  }

  function place() {
    const scale = value("zoom") / 100;
    const room = (side) => side * (1 - scale);
    x = Math.min(0, Math.max(room(stage.clientWidth), x));
    y = Math.min(0, Math.max(room(stage.clientHeight), y));
    for (const layer of [canvas, heat]) layer.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    stage.classList.toggle("held", scale > 1);
  }

  function show() {
    heat.style.opacity = value("heat") / 100;
    for (const [name, input] of Object.entries(sliders)) {
      input.nextElementSibling.textContent = `${input.value}%`;
      input.setAttribute("aria-valuetext", `${input.value} percent`);
    }
    place();
  }

  function zoom(to, atX, atY) {
    const before = value("zoom");
    sliders.zoom.value = to;
    const ratio = value("zoom") / before;
    x = atX - (atX - x) * ratio;
    y = atY - (atY - y) * ratio;
    show();
  }

  function reset() {
    for (const [name, start] of Object.entries(START)) sliders[name].value = start;
    invert.setAttribute("aria-pressed", "false");
    x = y = 0;
    paint();
    show();
  }

  const middle = () => [stage.clientWidth / 2, stage.clientHeight / 2];
  sliders.heat.addEventListener("input", show);
  for (const name of ["level", "window"])
    sliders[name].addEventListener("input", () => {
      paint();
      show();
    });
  let before = 100;
  sliders.zoom.addEventListener("pointerdown", () => (before = value("zoom")));
  sliders.zoom.addEventListener("input", () => {
    const to = sliders.zoom.value;
    sliders.zoom.value = before;
    zoom(to, ...middle());
    before = value("zoom");
  });
  invert.addEventListener("click", () => {
    invert.setAttribute("aria-pressed", String(invert.getAttribute("aria-pressed") !== "true"));
    paint();
  });
  root.querySelector("button[name=reset]").addEventListener("click", reset);

  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const frame = stage.getBoundingClientRect();
      zoom(value("zoom") * (event.deltaY < 0 ? 1.25 : 0.8), event.clientX - frame.left, event.clientY - frame.top);
    },
    { passive: false },
  );
  stage.addEventListener("pointerdown", (event) => {
    if (value("zoom") > 100) stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!stage.hasPointerCapture(event.pointerId)) return;
    x += event.movementX;
    y += event.movementY;
    place();
  });
  stage.addEventListener("keydown", (event) => {
    const step = 40;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.key in moves && value("zoom") > 100) {
      x += moves[event.key][0];
      y += moves[event.key][1];
      place();
    } else if (event.key === "+" || event.key === "=") zoom(value("zoom") + 50, ...middle());
    else if (event.key === "-") zoom(value("zoom") - 50, ...middle());
    else if (event.key === "h" || event.key === "H") {
      sliders.heat.value = value("heat") ? 0 : START.heat;
      show();
    } else if (event.key === "r" || event.key === "R") reset();
    else return;
    event.preventDefault();
  });

  async function load(data) {
    if (data.name === shown) return;
    shown = data.name;
    const film = new Image();
    film.src = data.film;
    await film.decode();
    if (data.name !== shown) return; // another film was chosen meanwhile
    canvas.width = film.naturalWidth;
    canvas.height = film.naturalHeight;
    stage.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
    stage.style.maxWidth = `calc(68vh * ${canvas.width / canvas.height})`;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(film, 0, 0);
    const colours = context.getImageData(0, 0, canvas.width, canvas.height).data;
    grey = Uint8Array.from({ length: colours.length / 4 }, (_, index) => colours[4 * index]);
    heat.hidden = !data.heat;
    if (data.heat) heat.src = data.heat;
    root.querySelector(".for-heat").hidden = !data.heat;
    root.querySelector(".caveat").textContent = data.caveat;
    stage.setAttribute("aria-label", data.label);
    reset();
    root.dataset.ready = data.name;
  }

  return { load };
}
