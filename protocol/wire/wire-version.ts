/**
 * The version of everything a mount and a server say to each other. It is part of every path, so two parties of
 * different versions learn it from their first request. A test fails when the shape changes and this does not.
 */
export const wireVersion = 2;

/** All paths of the API start with this. */
export const apiPrefix = `/api/v${wireVersion}`;

/** Where the notifications' WebSocket is opened. */
export const notificationsPath = `${apiPrefix}/notifications`;

export const jsonContentType = 'application/json';
/** One JSON value a line. */
export const linesContentType = 'application/x-ndjson';
/** A sequence of block frames; see block-frames.ts. */
export const framesContentType = 'application/vnd.holdfast.blocks';
