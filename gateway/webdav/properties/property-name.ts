/** What a property is called: the URI of its XML namespace and its local name. */
export interface PropertyName {
  readonly namespace: string;
  readonly local: string;
}
