// The part that report/shrink.js uses; the types of the package fit no import of its file.
export default class Compressor {
  constructor(
    file: Blob,
    options: {
      maxWidth: number;
      maxHeight: number;
      quality: number;
      mimeType: string;
      checkOrientation: boolean;
      retainExif: boolean;
      strict: boolean;
      success(blob: Blob): void;
      error(error: Error): void;
    },
  );
}
