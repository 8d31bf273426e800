/**
 * A value of type `Base` that the compiler keeps apart from other values of the same shape: a `NamespaceId`
 * cannot be passed where an `InodeId` is wanted. The mark exists in types only.
 */
export type Brand<Base, Name extends string> = Base & { readonly __brand: Name };
