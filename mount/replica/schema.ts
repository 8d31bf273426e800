/**
 * The replica's tables. Times are nanoseconds in one 64-bit column; they are read as two numbers
 * (`replica columns` in inode-table.ts), since a JavaScript number cannot hold them.
 *
 * `dentries.cookie` only grows, so a position in a directory stays valid while entries come and go.
 * `dirty_places` and `dirty_inodes` hold what is not agreed with the server: see dirty-places.ts and
 * dirty-inodes.ts.
 *
 * `totals` holds one row: how many inodes there are and how many bytes they have. Triggers keep it, so that it is as
 * transactional as the inodes and no caller has to know what a row was before. Only a replica without that row (a new
 * one, or one from before there was such a row) is counted.
 */
export const replicaSchema = `
create table if not exists settings (
  key text primary key,
  value text not null
) without rowid;

create table if not exists inodes (
  ino integer primary key,
  id text not null unique,
  known integer not null,
  kind integer not null,
  mode integer not null,
  uid integer,
  gid integer,
  rdev integer not null,
  size integer not null,
  committed_size integer not null default 0,
  links integer not null,
  subdirectories integer not null,
  parent integer not null,
  atime integer not null,
  mtime integer not null,
  ctime integer not null,
  target text,
  version integer not null,
  sequence integer not null,
  content_dirty integer not null
);
create index if not exists inodes_nameless on inodes (ino) where links = 0;

create table if not exists totals (
  id integer primary key check (id = 1),
  inodes integer not null,
  bytes integer not null
);
insert into totals (id, inodes, bytes)
  select 1, (select count(*) from inodes), (select coalesce(sum(size), 0) from inodes)
  where not exists (select 1 from totals);
create trigger if not exists inodes_counted after insert on inodes begin
  update totals set inodes = inodes + 1, bytes = bytes + new.size;
end;
create trigger if not exists inodes_uncounted after delete on inodes begin
  update totals set inodes = inodes - 1, bytes = bytes - old.size;
end;
create trigger if not exists inodes_resized after update of size on inodes when new.size <> old.size begin
  update totals set bytes = bytes + new.size - old.size;
end;

create table if not exists dentries (
  cookie integer primary key,
  parent integer not null,
  name text not null,
  ino integer not null
);
create unique index if not exists dentries_by_name on dentries (parent, name);
create index if not exists dentries_by_parent on dentries (parent);
create index if not exists dentries_by_ino on dentries (ino);

create table if not exists xattrs (
  ino integer not null,
  name text not null,
  value blob not null,
  primary key (ino, name)
) without rowid;

create table if not exists manifests (
  ino integer primary key,
  version integer not null,
  manifest blob not null
);

create table if not exists remote_heads (
  ino integer primary key,
  version integer not null,
  size integer not null,
  manifest blob
);

create table if not exists dirty_places (
  seq integer primary key,
  parent integer not null,
  name text not null,
  base integer,
  base_version integer not null,
  remote integer,
  is_planned integer not null,
  planned integer,
  seen_version integer
);
create unique index if not exists dirty_places_by_name on dirty_places (parent, name);
create index if not exists dirty_places_by_base on dirty_places (base) where base is not null;
create index if not exists dirty_places_by_remote on dirty_places (remote) where remote is not null;
create index if not exists dirty_places_by_planned on dirty_places (planned) where planned is not null;
create index if not exists dirty_places_in_plan on dirty_places (seq) where is_planned = 1;

create index if not exists dirty_places_overtaken on dirty_places (seq)
  where remote is not null and remote is not base;

create table if not exists dirty_inodes (
  ino integer primary key,
  created integer not null default 0,
  attributes integer not null default 0,
  planned_attributes integer not null default 0,
  is_planned integer not null default 0,
  planned_sequence integer,
  content_since_ms integer,
  content_changed_ms integer not null default 0,
  uploaded_sequence integer,
  uploaded_manifest blob,
  remote_gone integer not null default 0
);
create index if not exists dirty_inodes_to_upload on dirty_inodes (content_since_ms) where content_since_ms is not null;
create index if not exists dirty_inodes_in_plan on dirty_inodes (ino) where is_planned = 1;
create index if not exists dirty_inodes_gone on dirty_inodes (ino) where remote_gone = 1;

create table if not exists dirty_xattrs (
  ino integer not null,
  name text not null,
  dirty integer not null,
  planned integer not null,
  primary key (ino, name)
) without rowid;

create table if not exists remote_losses (
  ino integer not null,
  parent integer not null,
  name text not null,
  moved_here integer not null,
  primary key (ino, parent, name)
) without rowid;

create table if not exists snapshot_places (
  parent integer not null,
  name text not null,
  primary key (parent, name)
) without rowid;

create table if not exists plan (
  id integer primary key check (id = 1),
  body blob not null
);

create table if not exists content_moves (
  id integer primary key autoincrement,
  from_ino integer not null,
  to_ino integer not null
);

create table if not exists conflicts (
  ino integer primary key
);

create table if not exists pins (
  ino integer primary key
);
create trigger if not exists inodes_unpinned after delete on inodes begin
  delete from pins where ino = old.ino;
end;
`;
