// Shows each chosen photo in its tile, so that one sees what will be sent.

for (const input of document.querySelectorAll("input[type=file]")) {
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
