-- Comparing lists that hold everybody below costs what has moved, not what stands beside it. Who calls it: the end of a walk.

-- Constant defaults: no row is rewritten.
alter table hiersync.frontier add column reading smallint not null default 0;
alter table hiersync.frontier add column seen_first int4multirange;
alter table hiersync.frontier add column reports int4multirange;
comment on column hiersync.frontier.reading is 'The round of readings in which the list was read last: 0 the first, later ones to be sure of single users.';
comment on column hiersync.frontier.seen_first is 'What the list had shown in the first round; null: it was not read in a later one.';
comment on column hiersync.frontier.seen_before is 'What the list had shown in its reading before the last; null: it was read once.';
comment on column hiersync.frontier.reports is 'Users of whom later rounds have made sure that they report to the node of this list; null: nobody.';

drop function hiersync.unsure_lists(int, bigint);
drop function hiersync.lines_by_subtrees(int, bigint);
drop function hiersync.shown_users(int, bigint);

-- Whom the lists of a walk have shown, but for nobody's own row: in the first round, or in each list's last reading. With its
-- setting it is planned by itself, as that many rows: the planner guesses a thousand numbers in each of a hundred ranges of each
-- list.
create function hiersync.shown_users(source int, walk bigint, in_first boolean) returns table (manager_no int, user_no int)
language sql stable rows 100000 set enable_nestloop = off as $$
    select m.node_no, n.node_no
    from hiersync.frontier f
    join hiersync.reporting_user m on m.source_id = source and m.user_id = f.parent_key::uuid
    cross join lateral unnest(case when in_first then coalesce(f.seen_first, f.seen) else f.seen end) as r (numbers)
    cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
    where f.source_id = source and f.walk_id = walk and n.node_no <> m.node_no
$$;
comment on function hiersync.shown_users is 'Whose list shows whom in a walk, by node number.';

-- The lists were read one after another while users moved: one above may be shorter than one below. Whoever stayed in place is
-- in the lists of all those above and of nobody else, so of those who list a user the one whom most of the others list is the
-- manager. Of equals the one who is known as such, so that nothing changes without a reason. `is_sure`: there is no equal, all the
-- others list the manager, whoever else does lists the user, and the line is known, or none is: the walk is the first. The planner
-- knows nothing of what the lists hold, and a nested loop over them would take hours where a hash takes a second.
create function hiersync.lines_by_subtrees(source int, walk bigint, in_first boolean)
returns table (manager_no int, user_no int, is_sure boolean)
language sql stable set enable_nestloop = off as $$
    with shown as materialized (
        select s.manager_no, s.user_no from hiersync.shown_users(source, walk, in_first) s
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
    select distinct on (c.user_no)
        c.manager_no, c.user_no,
        held.by_all = c.by_both + 1
            and coalesce(above.by_all, 0) = c.by_both
            and back.user_no is null
            and count(*) over (partition by c.user_no, c.by_both) = 1
            and (
                l.user_id is not null
                or not exists (select 1 from hiersync.reporting_line k where k.source_id = source and k.retired_at is null)
            )
    from common c
    join held on held.user_no = c.user_no
    left join held above on above.user_no = c.manager_no
    left join shown back on back.manager_no = c.user_no and back.user_no = c.manager_no
    join hiersync.reporting_user m on m.source_id = source and m.node_no = c.manager_no
    join hiersync.reporting_user u on u.source_id = source and u.node_no = c.user_no
    left join hiersync.reporting_line l
        on l.source_id = source and l.manager_id = m.user_id and l.user_id = u.user_id and l.retired_at is null
    order by c.user_no, c.by_both desc, l.user_id is null, m.user_id
$$;
comment on function hiersync.lines_by_subtrees is 'Manager and user by a walk''s lists, each of which holds everybody below.';

-- Lines of which later rounds have made sure.
create function hiersync.settled_lines(source int, walk bigint) returns table (manager_no int, user_no int)
language sql stable as $$
    select m.node_no, n.node_no
    from hiersync.frontier f
    join hiersync.reporting_user m on m.source_id = source and m.user_id = f.parent_key::uuid
    cross join lateral unnest(f.reports) as r (numbers)
    cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
    where f.source_id = source and f.walk_id = walk and f.reports is not null
$$;
comment on function hiersync.settled_lines is 'Manager and user of whom a walk has made sure by reading lists again.';

-- A user who went from one list that was still to be read to one that was read is in neither, and would be given to the next
-- one above. So whoever was not sure in the first round is looked for again, in the lists that tell: the manager's, those of the
-- manager's other reports, and those of whoever lists the user without listing the manager. Where all of them say of the user
-- and of the manager what they said before (`is_same`), and nobody has come below the manager who might hold the user, they all
-- stood so at one moment between. The same for whoever comes into the lists only in a later round; who is in no list any more is
-- gone. Of whom a list tells that could not be read (`is_read`), no round makes sure.
create function hiersync.unsure_lists(source int, walk bigint)
returns table (manager_no int, user_no int, list_key text, is_read boolean, is_same boolean)
language sql stable set enable_nestloop = off as $$
    with first as materialized (
        select d.user_no, d.is_sure from hiersync.lines_by_subtrees(source, walk, true) d
    ), unsure as materialized (
        (
            select f.user_no from first f where not f.is_sure
            union
            select s.user_no
            from hiersync.shown_users(source, walk, false) s
            where exists (select 1 from hiersync.frontier f where f.source_id = source and f.walk_id = walk and f.reading > 0)
              and s.user_no not in (select f.user_no from first f)
        )
        except
        select s.user_no from hiersync.settled_lines(source, walk) s
    ), line as materialized (
        select d.manager_no, d.user_no
        from hiersync.lines_by_subtrees(source, walk, false) d
        where exists (select 1 from unsure)
    ), shown as materialized (
        select s.manager_no, s.user_no
        from hiersync.shown_users(source, walk, false) s
        where exists (select 1 from unsure)
    ), sought as materialized (
        select l.manager_no, l.user_no from line l join unsure q on q.user_no = l.user_no
    ), report as materialized (
        -- By the manager's own list, for the others may be older: those in it whose own manager is not.
        select m.manager_no, s.user_no
        from (select distinct q.manager_no from sought q) m
        join shown s on s.manager_no = m.manager_no
        join line l on l.user_no = s.user_no
        left join shown too on too.manager_no = m.manager_no and too.user_no = l.manager_no
        where too.user_no is null
    ), tells as (
        select q.manager_no, q.user_no, q.manager_no as list_no from sought q
        union
        select q.manager_no, q.user_no, r.user_no from sought q join report r on r.manager_no = q.manager_no where r.user_no <> q.user_no
        union
        select q.manager_no, q.user_no, s.manager_no
        from sought q
        join shown s on s.user_no = q.user_no
        left join shown above on above.manager_no = s.manager_no and above.user_no = q.manager_no
        where above.user_no is null
    )
    select
        t.manager_no, t.user_no, f.parent_key, f.state = 'read',
        f.reading > 0 and f.reading = max(f.reading) over ()
            and (f.seen @> t.user_no) = (f.seen_before @> t.user_no)
            and (f.seen @> t.manager_no) = (f.seen_before @> t.manager_no)
            and (t.list_no <> t.manager_no or isempty(f.seen - f.seen_before))
    from tells t
    join hiersync.reporting_user u on u.source_id = source and u.node_no = t.list_no
    join hiersync.frontier f on f.source_id = source and f.walk_id = walk and f.parent_key = u.user_id::text
$$;
comment on function hiersync.unsure_lists is 'Whose lists, each of which holds everybody below, are to be read once more to be sure of a line.';

-- In a walk that is not complete there are lines of which it is not sure: the likely ones.
create function hiersync.lines_of_walk(source int, walk bigint, is_complete boolean) returns table (manager_id uuid, user_id uuid)
language sql stable set enable_nestloop = off as $$
    select m.user_id, u.user_id
    from (
        select d.manager_no, d.user_no from hiersync.lines_by_subtrees(source, walk, true) d where d.is_sure
        union
        select s.manager_no, s.user_no from hiersync.settled_lines(source, walk) s
        union
        select l.manager_no, l.user_no from hiersync.unsure_lists(source, walk) l where not is_complete
    ) line
    join hiersync.reporting_user m on m.source_id = source and m.node_no = line.manager_no
    join hiersync.reporting_user u on u.source_id = source and u.node_no = line.user_no
$$;
comment on function hiersync.lines_of_walk is 'Manager and user as a walk, at its end, has found them by comparing lists.';
