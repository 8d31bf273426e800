/** The little of WebAssembly that is used here: TypeScript declares it only together with the browser's DOM. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }

  class Instance {
    constructor(module: Module);
    readonly exports: Readonly<Record<string, unknown>>;
  }

  interface Memory {
    readonly buffer: ArrayBuffer;
  }

  interface Global<Value> {
    readonly value: Value;
  }
}
