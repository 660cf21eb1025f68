// Shows each chosen photo in its tile, so that one sees what will be sent.

/** @type {NodeListOf<HTMLInputElement>} */
const inputs = document.querySelectorAll("input[type=file]");
for (const input of inputs) {
  const image = document.createElement("img");
  image.alt = "";
  image.hidden = true;
  image.className = "phone-preview";
  input.before(image);
  input.addEventListener("change", () => {
    URL.revokeObjectURL(image.src);
    const [file] = input.files;
    image.hidden = !file;
    if (file) image.src = URL.createObjectURL(file);
  });
}
