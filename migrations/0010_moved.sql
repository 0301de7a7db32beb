-- What a walk has seen to move decides how its lists end, in whichever run they do.
alter table hiersync.walk add column has_moved boolean;
comment on column hiersync.walk.has_moved is 'Something was seen to move since the walk began: a count alone no longer ends its lists; null: nothing was.';
