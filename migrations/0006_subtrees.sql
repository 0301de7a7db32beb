-- Who reports to whom, where every list holds everybody below and no row names a manager. Who calls it: the end of a walk.

-- Constant default: no row is rewritten.
alter table hiersync.frontier add column seen_before int4multirange;
comment on column hiersync.frontier.seen_before is 'What the list had shown before it was read once more to be sure of it; null: it was not.';

-- Whom the lists of a walk have shown, but for nobody's own row. With its setting it is planned by itself, as that many rows: the
-- planner guesses a thousand numbers in each of a hundred ranges of each list.
create function hiersync.shown_users(source int, walk bigint) returns table (manager_no int, user_no int)
language sql stable rows 100000 set enable_nestloop = off as $$
    select m.node_no, n.node_no
    from hiersync.frontier f
    join hiersync.reporting_user m on m.source_id = source and m.user_id = f.parent_key::uuid
    cross join lateral unnest(f.seen) as r (numbers)
    cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
    where f.source_id = source and f.walk_id = walk and n.node_no <> m.node_no
$$;
comment on function hiersync.shown_users is 'Whose list shows whom in a walk, by node number.';

-- The lists were read one after another while users moved: one above may be shorter than one below. Whoever stayed in place is
-- in the lists of all those above and of nobody else, so of those who list a user the one whom most of the others list is the
-- manager. Of equals the one who is known as such, so that nothing changes without a reason. `fits`: all the others list the
-- manager, and whoever else does lists the user. The planner knows nothing of what the lists hold, and a nested loop over them
-- would take hours where a hash takes a second.
create function hiersync.lines_by_subtrees(source int, walk bigint)
returns table (manager_id uuid, user_id uuid, manager_no int, user_no int, fits boolean)
language sql stable set enable_nestloop = off as $$
    with shown as materialized (
        select s.manager_no, s.user_no from hiersync.shown_users(source, walk) s
    ), held as (
        select s.user_no, count(*) as by_all from shown s group by s.user_no
    ), common as (
        -- Those who list both a user and somebody who lists the user.
        select s.manager_no, s.user_no, count(above.manager_no) as by_both
        from shown s
        join shown too on too.user_no = s.user_no
        left join shown above on above.manager_no = too.manager_no and above.user_no = s.manager_no
        group by s.manager_no, s.user_no
    )
    select distinct on (u.user_id)
        m.user_id, u.user_id, m.node_no, u.node_no,
        held.by_all = c.by_both + 1 and coalesce(above.by_all, 0) - (back.user_no is not null)::int = c.by_both
    from common c
    join held on held.user_no = c.user_no
    left join held above on above.user_no = c.manager_no
    left join shown back on back.manager_no = c.user_no and back.user_no = c.manager_no
    join hiersync.reporting_user m on m.source_id = source and m.node_no = c.manager_no
    join hiersync.reporting_user u on u.source_id = source and u.node_no = c.user_no
    left join hiersync.reporting_line l
        on l.source_id = source and l.manager_id = m.user_id and l.user_id = u.user_id and l.retired_at is null
    order by u.user_id, c.by_both desc, l.user_id is null, m.user_id
$$;
comment on function hiersync.lines_by_subtrees is 'Manager and user by a walk''s lists, each of which holds everybody below.';

-- A user who went from one list that was still to be read to one that was read is in neither, and would be given to the next
-- one above. So the lists around each user whose line is new, who is not in the lists of exactly those above the manager, or
-- whom a list has shown in one of two readings only, are read until two readings are the same: then all of them stood so at one
-- moment between. In the first walk, where every line is new, only the others count.
create function hiersync.unsure_lists(source int, walk bigint) returns setof text
language sql stable set enable_nestloop = off as $$
    with shown as materialized (
        select s.manager_no, s.user_no from hiersync.shown_users(source, walk) s
    ), moved as (
        select distinct n.node_no
        from hiersync.frontier f
        cross join lateral unnest((f.seen - f.seen_before) + (f.seen_before - f.seen)) as r (numbers)
        cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
        where f.source_id = source and f.walk_id = walk and f.seen_before <> f.seen
    ), unsure as materialized (
        select d.manager_no, d.user_no, d.user_id
        from hiersync.lines_by_subtrees(source, walk) d
        where not d.fits
           or d.user_no in (select v.node_no from moved v)
           or (
               exists (select 1 from hiersync.reporting_line l where l.source_id = source and l.retired_at is null)
               and not exists (
                   select 1 from hiersync.reporting_line l
                   where l.source_id = source and l.manager_id = d.manager_id and l.user_id = d.user_id and l.retired_at is null
               )
           )
    ), around as (
        -- Those who list the user, now or by the line that is known, and those below the manager.
        select q.user_no, s.manager_no as node_no from unsure q join shown s on s.user_no = q.user_no
        union
        select q.user_no, s.user_no from unsure q join shown s on s.manager_no = q.manager_no
        union
        select q.user_no, k.node_no
        from unsure q
        join hiersync.reporting_line l on l.source_id = source and l.user_id = q.user_id and l.retired_at is null
        join hiersync.reporting_user k on k.source_id = source and k.user_id = l.manager_id
    ), list as (
        -- Read again together, and the same as before.
        select
            f.parent_key,
            bool_and(f.seen_before is not null and f.seen_before = f.seen) over by_user
                and min(f.attempts) over by_user = max(f.attempts) over by_user as is_sure
        from around a
        join hiersync.reporting_user u on u.source_id = source and u.node_no = a.node_no
        join hiersync.frontier f on f.source_id = source and f.walk_id = walk and f.parent_key = u.user_id::text
        window by_user as (partition by a.user_no)
    )
    select distinct l.parent_key from list l where not l.is_sure
$$;
comment on function hiersync.unsure_lists is 'Whose lists, each of which holds everybody below, are to be read once more to be sure of a line.';
