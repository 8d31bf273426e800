/** What a refusal may carry beside its status and message. */
export interface RefusalDetails {
  /** A pre- or postcondition element of the `DAV:` namespace (RFC 4918 §16), by its local name. */
  readonly condition?: string;
  /** The URLs that stand in the way, for conditions that name them. */
  readonly hrefs?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * An answer that only this door knows how to give: a status that no `DriveError` stands for (412, 415, 424 …),
 * with a message for the user. Everything else is thrown as a `DriveError`.
 */
export class Refusal extends Error {
  readonly status: number;
  readonly details: RefusalDetails;

  constructor(status: number, message: string, details: RefusalDetails = {}) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.details = details;
  }
}
