// Loads the map library only when a map is opened: it weighs more than all the rest of a page.

const loading = new Map();

function load(tag, address, attributes) {
  if (!loading.has(address)) {
    const done = new Promise((resolve, reject) => {
      const element = Object.assign(document.createElement(tag), attributes);
      element.onload = resolve;
      element.onerror = () => {
        loading.delete(address); // the next time it is opened it may be had
        element.remove();
        reject(new Error(`${address} could not be loaded`));
      };
      document.head.append(element);
    });
    loading.set(address, done);
  }
  return loading.get(address);
}

const style = (href) => load("link", href, { rel: "stylesheet", href });

/**
 * Load Leaflet and its styles, once; rejects where they cannot be had.
 * @param {HTMLElement} box its data-leaflet-js, data-leaflet-css and data-outline-css are addresses
 */
export async function loadLeaflet({ dataset }) {
  const scripts = load("script", dataset.leafletJs, { src: dataset.leafletJs });
  await Promise.all([scripts, style(dataset.leafletCss), dataset.outlineCss && style(dataset.outlineCss)]);
  return window.L;
}
