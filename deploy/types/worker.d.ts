// What a service worker has beside what any worker has, for the type checks alone.

declare const clients: Clients;
declare function skipWaiting(): Promise<void>;
declare function addEventListener(kind: "install" | "activate", listen: (event: ExtendableEvent) => void): void;
declare function addEventListener(kind: "message", listen: (event: ExtendableMessageEvent) => void): void;
declare function addEventListener(kind: "fetch", listen: (event: FetchEvent) => void): void;
