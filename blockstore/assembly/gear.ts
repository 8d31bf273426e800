/**
 * The inner loop of the chunker: a rolling 64-bit gear hash (Xia et al., "FastCDC", USENIX ATC 2016, §3.2).
 * Shifting left by one a byte, the hash forgets each byte after 64 further ones, so it depends on the last 64 only.
 *
 * Built with `asc blockstore/assembly/gear.ts -O3 --runtime stub --noAssert -o blockstore/gear.wasm`; a test
 * rebuilds it and compares byte for byte.
 */

/** Bytes that can be scanned in one call. */
export const windowBytes: i32 = 65536;

/** Where the host writes the 256 gear values, 8 bytes each, little-endian. */
export const tableOffset: usize = memory.data(2048, 16);

/** Where the host writes the bytes to scan. */
export const windowOffset: usize = memory.data(65536, 16);

let hash: u64 = 0;

/** Forgets all bytes seen: a new chunk begins. */
export function reset(): void {
  hash = 0;
}

/**
 * Takes in the window's bytes from `from` up to `to` and stops behind the first one at which the hash is below
 * `threshold`. Returns the position behind that byte, or -1 if there is none. No hash is below 0.
 */
export function scan(from: i32, to: i32, threshold: u64): i32 {
  let h = hash;
  let at = windowOffset + <usize>from;
  const end = windowOffset + <usize>to;
  while (at < end) {
    h = (h << 1) + load<u64>(tableOffset + ((<usize>load<u8>(at)) << 3));
    at++;
    if (h < threshold) {
      hash = h;
      return <i32>(at - windowOffset);
    }
  }
  hash = h;
  return -1;
}
