// Makes a photo as small as a report needs: its long edge and its weight, without its EXIF.

const QUALITY = 0.72;
const STANDARD_EDGE = 1600;

/** The long edge in pixels that this person chose on their own page. */
export function chosenEdge() {
  return Number(document.documentElement.dataset.picture) || STANDARD_EDGE;
}

/**
 * Return the picture as a JPEG no longer than `edge` pixels; rejects what is no picture.
 * @param {Blob} file
 * @param {number} [edge]
 * @returns {Promise<Blob>}
 */
export async function shrink(file, edge = chosenEdge()) {
  // WebKit of iOS 15 turns and crops an upright photo in createImageBitmap, without an error.
  if (navigator.vendor.startsWith("Apple")) return withCompressor(file, edge);
  try {
    return await withTheBrowser(file, edge);
  } catch {
    return withCompressor(file, edge);
  }
}

async function withTheBrowser(file, edge) {
  const picture = await createImageBitmap(file); // turned as its EXIF says
  const scale = Math.min(1, edge / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const blob = await new Promise((keep) => canvas.toBlob(keep, "image/jpeg", QUALITY));
  canvas.width = canvas.height = 0; // Safari keeps the pixels of a canvas otherwise
  if (!blob) throw new Error("the canvas gave no picture");
  return blob;
}

// Orientation and EXIF are left to the browser: both together turn a picture twice.
async function withCompressor(file, edge) {
  const { default: Compressor } = await import("../vendor/compressor-1.3.0.esm.js");
  return new Promise((success, error) => {
    new Compressor(file, {
      maxWidth: edge,
      maxHeight: edge,
      quality: QUALITY,
      mimeType: "image/jpeg",
      checkOrientation: false,
      retainExif: false,
      strict: false, // never the file as it came, with the EXIF of its camera
      success,
      error,
    });
  });
}
