// What the phone's queue keeps (cases/static/cases/queue/store.js). It stands here and not in the
// script because every phone would load it with the report page.

import type { DBSchema, IDBPDatabase, IDBPObjectStore, StoreNames } from "idb";

/** A photo as the page took it. */
export interface Photo {
  /** The tile it belongs to. */
  name: string;
  /** What the server is told; left out for actions. */
  kind?: "near" | "far" | "after";
  blob: Blob | ArrayBuffer;
  /** Media type, image/jpeg if left out. */
  type?: string;
  /** Of the bytes, hexadecimal. */
  sha256?: string;
  origin?: "camera" | "album";
  /** ISO 8601 with zone. */
  taken_at?: string;
  /** WGS-84. */
  lon?: number;
  lat?: number;
  accuracy_m?: number;
  /** Degrees from north. */
  heading?: number;
}

/** The same in the database, where its bytes stand apart, with what the server has of it. */
export type KeptPhoto = Omit<Photo, "blob"> & { size: number; is_sent?: boolean; note?: string };

/** What was begun and not sent off yet. */
export interface Draft {
  id: string;
  user: string;
  /** The page it is written on. */
  path: string;
  fields: Record<string, any>; // the form's own, in its own words
  photos: Photo[];
  category_name?: string;
  saved_at?: string;
}

export type KeptDraft = Omit<Draft, "photos"> & { photos: KeptPhoto[] };

/** What is to be sent. */
export interface Item {
  /** UUID, the Idempotency-Key. */
  id: string;
  user: string;
  kind: "report" | "action" | "support" | "feedback";
  /** Of the API. */
  path: string;
  body: Record<string, unknown> & { action?: string };
  photos?: Photo[];
  title: string;
  place?: string;
  /** Of the case, once there is one. */
  number?: string;
  /** What was answered. */
  seen?: { version: number; stage: string; unit: string; words: string };
  /** How long it may be withdrawn before it is sent. */
  held_ms?: number;
}

/** The same in the database, with what became of it so far. */
export interface KeptItem extends Omit<Item, "photos"> {
  photos: KeptPhoto[];
  held_ms: number;
  /** The draft it was, and becomes again. */
  origin?: KeptDraft;
  created_at: number;
  state: "waiting" | "attention";
  tries: number;
  next_at: number;
  begun_at?: number;
  is_case_sent?: boolean;
  problem?: Problem;
}

/** Why the server did not take it; `now` is the case of a refused action, null if not seen. */
export interface Problem {
  status: number;
  code: string;
  detail: string;
  fields?: Record<string, string>;
  now?: CaseNow | null;
}

export interface CaseNow {
  version: number;
  stage: string;
  unit: string;
  address: string;
  last?: { action: string; at: string };
  /** Whether the action is still open to this person. */
  may: boolean;
}

/** What the server has acknowledged. */
export interface Receipt {
  id: string;
  user: string;
  kind: Item["kind"];
  title: string;
  place?: string;
  number?: string;
  action?: string;
  version?: number;
  received_at: number;
}

/** Small things of a person, or under the name of nobody of the phone. */
export interface Small {
  pace: { failures: number; next_at: number; quiet_until: number; paused?: string };
  categories: { pins: string[]; recent: string[] };
  skew: number;
  lease: { owner: string; until: number };
}

/** What the database holds. */
export interface Stores extends DBSchema {
  drafts: { key: string; value: KeptDraft };
  items: { key: string; value: KeptItem };
  photos: { key: [owner: string, sha256: string]; value: ArrayBuffer };
  received: { key: string; value: Receipt };
  kept: { key: [user: string, name: string]; value: Small[keyof Small] };
}

export type Database = IDBPDatabase<Stores>;

export type StoreName = StoreNames<Stores>;

/** Its stores in one transaction. */
export type OpenStores = {
  [Name in StoreName]: IDBPObjectStore<Stores, StoreName[], Name, "readwrite">;
};

/** What one tab tells the others: that something changed, how far the sending is, that it rests. */
export type Message =
  | { kind: "change" | "kept" | "rest" }
  | { kind: "progress"; id: string; title: string; done: number; total: number };
