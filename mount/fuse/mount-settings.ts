/** How the kernel is to treat a mount. */
export interface MountSettings {
  readonly readOnly: boolean;
  /** Let users other than the one who mounts in, as far as permissions go. */
  readonly allowOther: boolean;
  /** What the mount table names it. */
  readonly source: string;
}
