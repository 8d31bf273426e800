/**
 * Joins several streams into one, in their order, with up to `depth` of them begun (their first element asked for) before
 * their turn. Whatever way it ends, every stream that was begun is ended too.
 */
export async function* readAhead<Element>(
  streams: readonly (() => AsyncGenerator<Element>)[],
  depth: number,
): AsyncGenerator<Element> {
  const begun: { readonly stream: AsyncGenerator<Element>; readonly first: Promise<IteratorResult<Element>> }[] = [];
  let next = 0;
  try {
    for (;;) {
      for (; begun.length < depth && next < streams.length; next++) {
        const stream = streams[next]?.();
        if (stream === undefined) break;
        const first = stream.next();
        first.catch(() => undefined); // it is awaited at its turn, if that comes
        begun.push({ stream, first });
      }
      const turn = begun[0];
      if (turn === undefined) return;
      for (let result = await turn.first; result.done !== true; result = await turn.stream.next()) {
        yield result.value;
      }
      begun.shift();
    }
  } finally {
    await Promise.allSettled(begun.map(({ stream }) => stream.return(undefined)));
  }
}
