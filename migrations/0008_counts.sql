-- What a vendor's count beside a list means is told by neither of its pages' examples. No default: no row is rewritten.
alter table hiersync.source add column count_is_total boolean;
comment on column hiersync.source.count_is_total is 'Whether the count beside a list is of the whole list, as one of several pages has shown; null: none has.';
