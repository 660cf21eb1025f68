// What the pages give the scripts beside the DOM, for the type checks alone; no browser reads this.

/** As django-htmx ships it. */
declare const htmx: {
  ajax(
    verb: "GET" | "POST",
    path: string,
    context: { source: Element; target: Element; swap: string },
  ): Promise<void>;
  process(element: Element): void;
};

/** The desk loads vendor/supercluster-9.1.0.min.js as a script of its own. */
declare const Supercluster: typeof import("supercluster");

interface Window {
  /** Where lazy_leaflet.js has loaded it. */
  L: typeof L;
  /** Where scoring/plot.js has loaded vendor/echarts-6.1.0.simple.min.js: what it uses of it. */
  echarts: {
    init(place: HTMLElement): {
      setOption(options: object, replace?: boolean): void;
      convertToPixel(where: { yAxisIndex: number }, value: number): number;
      resize(): void;
    };
  };
}

/** The Network Information API, which Chrome has and Safari has not. */
interface Navigator {
  readonly connection?: EventTarget & { readonly type?: string; readonly effectiveType?: string };
}

// Elements are found by selectors that name a class or an id, which tell no type. All the pages are
// made of are HTML elements; which one is said where it is found: /** @type {HTMLInputElement} */.
interface ParentNode {
  querySelector<K extends keyof HTMLElementTagNameMap>(
    selectors: K,
  ): HTMLElementTagNameMap[K] | null;
  querySelector<K extends keyof SVGElementTagNameMap>(selectors: K): SVGElementTagNameMap[K] | null;
  querySelector<E extends Element = HTMLElement>(selectors: string): E | null;
  querySelectorAll<K extends keyof HTMLElementTagNameMap>(
    selectors: K,
  ): NodeListOf<HTMLElementTagNameMap[K]>;
  querySelectorAll<E extends Element = HTMLElement>(selectors: string): NodeListOf<E>;
}

interface NonElementParentNode {
  getElementById<E extends HTMLElement = HTMLElement>(id: string): E | null;
}

interface Document {
  getElementById<E extends HTMLElement = HTMLElement>(id: string): E | null;
}

interface Element {
  closest<K extends keyof HTMLElementTagNameMap>(selector: K): HTMLElementTagNameMap[K] | null;
  closest<E extends Element = HTMLElement>(selector: string): E | null;
}

/** What htmx tells of a request. */
interface HtmxDetail {
  elt: Element;
  xhr: XMLHttpRequest;
  requestConfig: { verb: string; path: string; elt: Element };
  shouldSwap: boolean;
}

interface HTMLElementEventMap {
  "htmx:beforeSwap": CustomEvent<HtmxDetail>;
  "htmx:beforeRequest": CustomEvent<HtmxDetail>;
  "htmx:afterRequest": CustomEvent<HtmxDetail>;
  "htmx:responseError": CustomEvent<HtmxDetail>;
  "htmx:sendError": CustomEvent<HtmxDetail>;
  "htmx:timeout": CustomEvent<HtmxDetail>;
  /** The server names the case to dispatch next. */
  "desk-next": CustomEvent<{ number: string }>;
}

interface WindowEventMap {
  /** django-leaflet has made a map. */
  "map:init": CustomEvent<{ map: L.Map }>;
}

interface DocumentEventMap {
  /** live.js has heard of a case. */
  "live-notice": CustomEvent<{ scope: string; dseq: number; kind: string; case: string }>;
  /** live.js says how the connection stands, and when anything was heard last, in ms. */
  "live-state": CustomEvent<{ state: string; heard: number }>;
  /** A case has been chosen on the desk. */
  "desk-chosen": CustomEvent<{ number: string }>;
  /** Somebody asks the desk to choose a case, and to show where it is. */
  "desk-choose": CustomEvent<{ number: string }>;
  /** Somebody asks the desk for a view. */
  "desk-show": CustomEvent<{ view: string }>;
  /** Map and queue hold everything up to these heads. */
  "desk-painted": CustomEvent<{ heads: Record<string, number> }>;
}
