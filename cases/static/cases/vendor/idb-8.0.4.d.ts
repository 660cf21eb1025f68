// Its types come from the package of the same version in deploy/types/package.json.
export * from "idb";
