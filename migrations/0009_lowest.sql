-- Who reports to whom by comparing lists: the manager is, of those who list a user, one who lists no other of them. And what the
-- passes over a list have shown where none of them is enough.

-- The lists were read one after another while users moved: one above may be shorter than one below. Of those who list a user the
-- manager is the lowest: one who lists none of the others, as far as that other does not list the manager too. Whoever stayed in
-- place is in the lists of all those above and of nobody else, so of several such the one whom most of the others list; of equals
-- the one who is known as such, so that nothing changes without a reason. Lists above that were read before somebody came between
-- would name the next one above. `is_sure`: there is no equal, all the others list the manager, whoever else does lists the user
-- (which the user does not), and the line is known, or none is: the walk is the first. The planner knows nothing of what the lists hold, and a nested loop
-- over them would take hours where a hash takes a second.
create or replace function hiersync.lines_by_subtrees(source int, walk bigint, in_first boolean)
returns table (manager_no int, user_no int, is_sure boolean)
language sql stable set enable_nestloop = off as $$
    with shown as materialized (
        select s.manager_no, s.user_no from hiersync.shown_users(source, walk, in_first) s
    ), held as (
        select s.user_no, count(*) as by_all from shown s group by s.user_no
    ), common as (
        -- Those who list both a user and somebody who lists the user; and whether that somebody lists one of them.
        select
            s.manager_no, s.user_no,
            count(above.manager_no) as by_both,
            count(below.manager_no) filter (where above.manager_no is null) = 0 as is_lowest
        from shown s
        join shown too on too.user_no = s.user_no
        left join shown above on above.manager_no = too.manager_no and above.user_no = s.manager_no
        left join shown below on below.manager_no = s.manager_no and below.user_no = too.manager_no
        group by s.manager_no, s.user_no
    )
    select distinct on (c.user_no)
        c.manager_no, c.user_no,
        held.by_all = c.by_both + 1
            and coalesce(above.by_all, 0) = c.by_both
            and count(*) over (partition by c.user_no, c.by_both) = 1
            and (
                l.user_id is not null
                or not exists (select 1 from hiersync.reporting_line k where k.source_id = source and k.retired_at is null)
            )
    from common c
    join held on held.user_no = c.user_no
    left join held above on above.user_no = c.manager_no
    join hiersync.reporting_user m on m.source_id = source and m.node_no = c.manager_no
    join hiersync.reporting_user u on u.source_id = source and u.node_no = c.user_no
    left join hiersync.reporting_line l
        on l.source_id = source and l.manager_id = m.user_id and l.user_id = u.user_id and l.retired_at is null
    order by c.user_no, c.is_lowest desc, c.by_both desc, l.user_id is null, m.user_id
$$;

comment on column hiersync.frontier.seen is 'Numbers of the nodes that the last pass over the list has shown in this walk; where the list moved in each of its passes, that any has shown.';
