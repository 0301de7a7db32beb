-- Lists that move while they are read: where each list was found, so that its parent's row can be read again for its
-- count, and what it has shown in passes that proved nothing. Who reads it: operators who look into a walk.

-- Constant defaults: no row is rewritten.
alter table hiersync.frontier add column found_in text;
alter table hiersync.frontier add column found_at int;
alter table hiersync.frontier add column met int4multirange not null default '{}';
comment on column hiersync.frontier.found_in is 'The list that showed the parent; null for a root.';
comment on column hiersync.frontier.found_at is 'The parent''s place in that list, from 0.';
comment on column hiersync.frontier.met is 'Numbers of nodes that earlier passes over the list showed in this walk; seen is of the last pass.';
comment on column hiersync.frontier.attempts is 'Passes over the list in this walk that proved nothing, and calls for it that failed for good.';
comment on column hiersync.frontier.seen is 'Numbers of the nodes that the last pass over the list has shown in this walk.';
