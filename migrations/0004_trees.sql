-- Settled trees: where each node hangs, as the last closed walk has left it. The transaction that closes a walk keeps them, so that nobody
-- ever sees half of one; a walk that has moved nobody writes nothing here.

create table hiersync.customer_place (
    source_id int not null,
    customer_id bigint not null,
    parent_id bigint,
    root_id bigint not null,
    depth int not null,
    children int not null,
    descendants int not null,
    walk_id bigint not null,
    customer_key text not null,
    path bigint[] not null,
    primary key (source_id, customer_id)
) with (fillfactor = 90);

create table hiersync.reporting_place (
    source_id int not null,
    user_id uuid not null,
    parent_id uuid,
    root_id uuid not null,
    depth int not null,
    children int not null,
    descendants int not null,
    walk_id bigint not null,
    user_key text not null,
    path uuid[] not null,
    primary key (source_id, user_id)
) with (fillfactor = 90);

-- Who has another main parent than at the end of the walk before.
create table hiersync.customer_move (
    source_id int not null,
    walk_id bigint not null,
    customer_id bigint not null,
    from_id bigint not null,
    to_id bigint not null,
    moved_at timestamptz not null,
    primary key (source_id, walk_id, customer_id)
);

create table hiersync.reporting_move (
    source_id int not null,
    walk_id bigint not null,
    user_id uuid not null,
    from_id uuid not null,
    to_id uuid not null,
    moved_at timestamptz not null,
    primary key (source_id, walk_id, user_id)
);

-- What readers know of a source's present tree: by which walk, and since when.
create view hiersync_internal.settled as
select s.source_id, w.walk_id, w.finished_at as as_of
from hiersync.source s
cross join lateral (
    select w.walk_id, w.finished_at from hiersync_internal.walk w
    where w.source_id = s.source_id and w.verdict in ('complete', 'partial')
    order by w.walk_id desc limit 1
) w;
comment on view hiersync_internal.settled is 'The walk that each source''s settled tree is by.';
comment on column hiersync_internal.settled.source_id is 'The source.';
comment on column hiersync_internal.settled.walk_id is 'The last closed walk.';
comment on column hiersync_internal.settled.as_of is 'When it was closed.';

-- Both vendors' places under one set of names, as for nodes and links.
create view hiersync_internal.customer_position as
select source_id, customer_id as id, parent_id, root_id, depth, children, descendants, walk_id, customer_key as key, path
from hiersync.customer_place;
create view hiersync_internal.user_position as
select source_id, user_id as id, parent_id, root_id, depth, children, descendants, walk_id, user_key as key, path
from hiersync.reporting_place;
create view hiersync_internal.customer_moved as
select source_id, walk_id, customer_id as id, from_id, to_id, moved_at from hiersync.customer_move;
create view hiersync_internal.user_moved as
select source_id, walk_id, user_id as id, from_id, to_id, moved_at from hiersync.reporting_move;

-- The same for both vendors: {id} is what an id is, {node} what a node is called, and {entity} what its tables are called by.
do $each$
declare
    vendor record;
begin
    for vendor in select * from (values
        ('customer', 'bigint', 'customer', 'customer_link', 'nullif(concat_ws('' '', nullif(n.first_name, ''''), nullif(n.last_name, '''')), '''')', 'customer'),
        ('user', 'uuid', 'reporting', 'reporting_line', 'n.name', 'reporting_user')
    ) v (node, id, entity, link, name, nodes) loop
        execute replace(replace(replace(replace(replace(replace($sql$

comment on table hiersync.{entity}_place is 'Where each {node} hangs in the settled tree: one row per placed node. Of several parents the main one counts.';
comment on column hiersync.{entity}_place.source_id is 'The source.';
comment on column hiersync.{entity}_place.{node}_id is 'The {node}.';
comment on column hiersync.{entity}_place.parent_id is 'Its main parent; null for a root.';
comment on column hiersync.{entity}_place.root_id is 'The root below which it hangs; a root''s own id.';
comment on column hiersync.{entity}_place.depth is 'Levels below the root; 0 for a root.';
comment on column hiersync.{entity}_place.children is 'How many nodes hang on it.';
comment on column hiersync.{entity}_place.descendants is 'How many nodes are below it, on all levels.';
comment on column hiersync.{entity}_place.walk_id is 'The walk that last wrote this row: nothing of it has changed since.';
comment on column hiersync.{entity}_place.{node}_key is 'The {node} as source:id, by which BI tools relate views.';
comment on column hiersync.{entity}_place.path is 'Ids from the root to the {node} itself.';

-- Indexed by the first 96 ids: all of a deep path would be more than an index can hold.
create index {entity}_place_path on hiersync.{entity}_place (source_id, (path[1:96]));
comment on index hiersync.{entity}_place_path is 'Finds who is below a node.';
create index {entity}_place_key on hiersync.{entity}_place ({node}_key);
comment on index hiersync.{entity}_place_key is 'Finds a {node} by the key that BI tools know.';
create index {entity}_place_root on hiersync.{entity}_place (source_id) where parent_id is null;
comment on index hiersync.{entity}_place_root is 'Finds the roots.';

comment on table hiersync.{entity}_move is 'Who has another main parent than at the end of the walk before.';
comment on column hiersync.{entity}_move.source_id is 'The source.';
comment on column hiersync.{entity}_move.walk_id is 'The walk that found so.';
comment on column hiersync.{entity}_move.{node}_id is 'The {node} that moved.';
comment on column hiersync.{entity}_move.from_id is 'The main parent before.';
comment on column hiersync.{entity}_move.to_id is 'The main parent since.';
comment on column hiersync.{entity}_move.moved_at is 'When the walk was closed.';
create index {entity}_move_node on hiersync.{entity}_move (source_id, {node}_id);
comment on index hiersync.{entity}_move_node is 'Finds a node''s moves.';

comment on view hiersync_internal.{node}_position is 'Places by the names that both vendors'' places have.';
comment on view hiersync_internal.{node}_moved is 'Moves by the names that both vendors'' moves have.';

create view hiersync.{entity}_tree as
select p.source_id, p.{node}_id, p.root_id, p.parent_id, p.depth, p.path, nullif({name}, '') as display_name, p.children, p.descendants,
    p.children = 0 as is_leaf, p.walk_id, s.as_of
from hiersync.{entity}_place p
left join hiersync.{nodes} n on n.source_id = p.source_id and n.{node}_id = p.{node}_id
left join hiersync_internal.settled s on s.source_id = p.source_id;
comment on view hiersync.{entity}_tree is 'The settled tree, as the last closed walk has left it: one row per placed node. Personal data.';
comment on column hiersync.{entity}_tree.source_id is 'The source.';
comment on column hiersync.{entity}_tree.{node}_id is 'The {node}.';
comment on column hiersync.{entity}_tree.root_id is 'The root below which it hangs; a root''s own id.';
comment on column hiersync.{entity}_tree.parent_id is 'Its main parent; null for a root.';
comment on column hiersync.{entity}_tree.depth is 'Levels below the root; 0 for a root.';
comment on column hiersync.{entity}_tree.path is 'Ids from the root to the {node} itself.';
comment on column hiersync.{entity}_tree.display_name is 'Its name as the mirror has it now. Personal data.';
comment on column hiersync.{entity}_tree.children is 'How many nodes hang on it.';
comment on column hiersync.{entity}_tree.descendants is 'How many nodes are below it, on all levels.';
comment on column hiersync.{entity}_tree.is_leaf is 'Nobody hangs on it.';
comment on column hiersync.{entity}_tree.walk_id is 'The walk that put it there, or last changed what is below it.';
comment on column hiersync.{entity}_tree.as_of is 'When the last walk of its source was closed: so the tree stood then.';

-- The range finds who is below, the array who is above: the planner goes the way that is shorter. In arrays a null is greater than any id.
create view hiersync.{entity}_bridge as
select a.source_id, a.{node}_id as ancestor_id, d.{node}_id as descendant_id, d.depth - a.depth as distance,
    a.{node}_key as ancestor_key, d.{node}_key as descendant_key
from hiersync.{entity}_place a
join hiersync.{entity}_place d on d.source_id = a.source_id and d.path[1:96] >= a.path[1:96] and d.path[1:96] < a.path[1:96] || null::{id}
    and a.{node}_id = any (d.path);
comment on view hiersync.{entity}_bridge is 'Each node of the settled tree with everybody above it, and with itself. One main parent per node: a roll-up counts nobody twice.';
comment on column hiersync.{entity}_bridge.source_id is 'The source.';
comment on column hiersync.{entity}_bridge.ancestor_id is 'The node above.';
comment on column hiersync.{entity}_bridge.descendant_id is 'The node below, or the same.';
comment on column hiersync.{entity}_bridge.distance is 'Levels between them; 0 for itself.';
comment on column hiersync.{entity}_bridge.ancestor_key is 'The node above, as source:id.';
comment on column hiersync.{entity}_bridge.descendant_key is 'The node below, or the same, as source:id.';

-- A source's roots: those that the walk has resolved, and those from before that live on without a parent, as while their retirement is
-- guarded.
create function hiersync_internal.tops_of_{node}(the_source int, the_walk bigint) returns table (id {id}) language sql stable as $$
    select r.node_key::{id} from hiersync_internal.root r where r.source_id = the_source and r.walk_id = the_walk
    union
    select n.id
    from (select distinct h.node_key from hiersync_internal.root_history h where h.source_id = the_source) h
    join hiersync_internal.{node}_node n on n.source_id = the_source and n.id = h.node_key::{id} and n.retired_at is null
    where not exists (
        select from hiersync_internal.{node}_edge l
        where l.source_id = the_source and l.child_id = n.id and l.parent_id <> n.id and l.retired_at is null
    )
$$;
comment on function hiersync_internal.tops_of_{node}(int, bigint) is 'The nodes with which the trees of a source begin.';

-- A plain selection that the planner puts into the statement around it.
create function hiersync_internal.main_of_{node}(the_source int, the_walk bigint, child {id}) returns table (parent_id {id})
language sql stable as $$
    select l.parent_id
    from hiersync_internal.{node}_edge l
    where l.source_id = the_source and l.child_id = child and l.parent_id <> child and l.retired_at is null
    order by not exists (
        select from hiersync_internal.frontier f
        where f.source_id = the_source and f.parent_key = l.parent_id::text and f.walk_id = the_walk and f.state = 'read'
    ), l.valid_from, l.parent_id
    limit 1
$$;
comment on function hiersync_internal.main_of_{node}(int, bigint, {id}) is 'A node''s main parent: of its live links one whose list the walk has proven before one whose list it has not, then the one that has stood longest, then the lowest id.';

create function hiersync_internal.placed_of_{node}(the_source int) returns bigint language sql stable as $$
    select coalesce(sum(p.descendants + 1), 0) from hiersync_internal.{node}_position p where p.source_id = the_source and p.parent_id is null
$$;
comment on function hiersync_internal.placed_of_{node}(int) is 'How many nodes have a place.';

create function hiersync_internal.unplaced_of_{node}(the_source int) returns table (id {id}) language sql stable as $$
    select n.id from hiersync_internal.{node}_node n
    where n.source_id = the_source and n.retired_at is null and not exists (
        select from hiersync_internal.{node}_position p where p.source_id = the_source and p.id = n.id
    )
$$;
comment on function hiersync_internal.unplaced_of_{node}(int) is 'Live nodes that have no place.';

-- The lists that show the nodes that a refresh serves, and their own; with everything below, also all of these.
create function hiersync_internal.wanted_of_{node}(the_source int, the_run bigint) returns table (key text, is_below boolean)
language sql stable as $$
    with recursive asked as (
        select r.node_key::{id} as id, bool_or(r.is_below) as is_below
        from hiersync_internal.refresh r
        where r.source_id = the_source and r.run_id = the_run and r.done_at is null
        group by r.node_key
    ), below as (
        select a.id from asked a where a.is_below
        union
        select l.child_id
        from below b
        join hiersync_internal.{node}_edge l on l.source_id = the_source and l.parent_id = b.id and l.retired_at is null
    )
    select n.id::text, bool_or(n.is_below)
    from (
        select a.id, false as is_below from asked a
        union all
        select l.parent_id, false
        from asked a
        join hiersync_internal.{node}_edge l on l.source_id = the_source and l.child_id = a.id and l.retired_at is null
        union all
        select b.id, true from below b
    ) n
    group by n.id
$$;
comment on function hiersync_internal.wanted_of_{node}(int, bigint) is 'The lists that a refresh reads: those that show its nodes, their own, and those below where that was asked for.';

-- Upkeep in steps over analysed tables of their own, so that each is planned on its true size. They live as long as the transaction.
create function hiersync_internal.settle_{node}(the_source int, the_walk bigint, several {id}[], live bigint) returns void language plpgsql as $$
declare
    tops {id}[] := array(select t.id from hiersync_internal.tops_of_{node}(the_source, the_walk) t);
    placed bigint := hiersync_internal.placed_of_{node}(the_source);
    since bigint := coalesce((select w.walk_id from hiersync_internal.settled w where w.source_id = the_source), 0);
    movers {id}[];
    unplaced {id}[];
begin
    -- Placed nodes that are to stand elsewhere: of the children of links that have changed since a walk was last closed, of those with
    -- several parents, and of the roots.
    movers := array(
        select p.id
        from (
            select split_part(g.key, '/', 2)::{id} as id
            from hiersync.sync_run r
            join hiersync.change g on g.source_id = the_source and g.run_id = r.run_id and g.entity = '{link}'
            where r.source_id = the_source and (r.walk_id > since or r.is_refresh and r.walk_id = since) and placed > 0
            union select unnest(several)
            union select unnest(tops)
            union select p.id from hiersync_internal.{node}_position p where p.source_id = the_source and p.parent_id is null
        ) c
        join hiersync_internal.{node}_position p on p.source_id = the_source and p.id = c.id
        left join lateral hiersync_internal.main_of_{node}(the_source, the_walk, c.id) m on true
        where p.parent_id is distinct from case when c.id <> all (tops) then m.parent_id end
            or (p.parent_id is null and c.id <> all (tops))
    );
    if live <> placed or exists (
        select from hiersync.sync_run r join hiersync.change g on g.source_id = the_source and g.run_id = r.run_id and g.op <> 'update'
        where r.source_id = the_source and (r.walk_id > since or r.is_refresh and r.walk_id = since)
    ) then
        unplaced := array(select u.id from hiersync_internal.unplaced_of_{node}(the_source) u);
    end if;
    if cardinality(movers) = 0 and not exists (
        select from unnest(unplaced) u (id)
        left join lateral hiersync_internal.main_of_{node}(the_source, the_walk, u.id) m on true
        where u.id = any (tops) or exists (
            select from hiersync_internal.{node}_position p where p.source_id = the_source and p.id = m.parent_id
        )
    ) then
        return;
    end if;

    create temp table settling on commit drop as
    select d.id
    from unnest(movers) m (id)
    cross join lateral (
        select p.path from hiersync_internal.{node}_position p where p.source_id = the_source and p.id = m.id limit 1
    ) t
    cross join lateral (
        select d.id, d.path from hiersync_internal.{node}_position d
        where d.source_id = the_source and d.path[1:96] >= t.path[1:96] and d.path[1:96] < t.path[1:96] || null::{id}
        offset 0
    ) d
    where m.id = any (d.path)
    union
    select unnest(unplaced);
    analyze settling;

    create temp table settling_main on commit drop as
    select distinct on (s.id) s.id, l.parent_id
    from settling s
    join hiersync_internal.{node}_edge l on l.source_id = the_source and l.child_id = s.id and l.parent_id <> s.id and l.retired_at is null
    left join hiersync_internal.frontier f
        on f.source_id = the_source and f.parent_key = l.parent_id::text and f.walk_id = the_walk and f.state = 'read'
    where s.id <> all (tops)
    order by s.id, f.parent_key is null, l.valid_from, l.parent_id;
    create index on settling_main (parent_id);
    analyze settling_main;

    -- From roots, and from parents that stay where they are, downwards.
    create temp table settling_moved on commit drop as
    with recursive placed as (
        (
            select s.id, null::{id} as parent_id, array[s.id] as path from settling s where s.id = any (tops)
            union all
            select m.id, m.parent_id, p.path || m.id
            from settling_main m
            join hiersync_internal.{node}_position p on p.source_id = the_source and p.id = m.parent_id
            where not exists (select from settling s where s.id = m.parent_id) and cardinality(p.path) < 1000
        )
        union all
        select m.id, m.parent_id, p.path || m.id
        from placed p join settling_main m on m.parent_id = p.id
        where cardinality(p.path) < 1000
    )
    select s.id, n.parent_id, n.path, o.parent_id as old_parent_id, o.path as old_path
    from settling s
    left join placed n on n.id = s.id
    left join hiersync_internal.{node}_position o on o.source_id = the_source and o.id = s.id
    where n.path is distinct from o.path;
    analyze settling_moved;

    create temp table settling_counts on commit drop as
    select d.id, sum(d.children)::int as children, sum(d.descendants)::int as descendants
    from (
        select unnest(m.old_path[:cardinality(m.old_path) - 1]) as id, 0 as children, -1 as descendants from settling_moved m
        union all
        select unnest(m.path[:cardinality(m.path) - 1]), 0, 1 from settling_moved m
        union all
        select m.old_parent_id, -1, 0 from settling_moved m where m.old_parent_id is not null
        union all
        select m.parent_id, 1, 0 from settling_moved m where m.parent_id is not null
    ) d
    group by d.id having sum(d.children) <> 0 or sum(d.descendants) <> 0;
    analyze settling_counts;

    delete from hiersync_internal.{node}_position p
    using settling_moved m where p.source_id = the_source and p.id = m.id and m.path is null;
    update hiersync_internal.{node}_position p set
        parent_id = m.parent_id, root_id = m.path[1], depth = cardinality(m.path) - 1, path = m.path, walk_id = the_walk,
        children = p.children + coalesce(c.children, 0), descendants = p.descendants + coalesce(c.descendants, 0)
    from settling_moved m left join settling_counts c on c.id = m.id
    where p.source_id = the_source and p.id = m.id and m.old_path is not null and m.path is not null;
    update hiersync_internal.{node}_position p set
        children = p.children + c.children, descendants = p.descendants + c.descendants, walk_id = the_walk
    from settling_counts c
    where p.source_id = the_source and p.id = c.id and not exists (select from settling_moved m where m.id = c.id);
    insert into hiersync_internal.{node}_position (source_id, id, parent_id, root_id, depth, children, descendants, walk_id, key, path)
    select the_source, m.id, m.parent_id, m.path[1], cardinality(m.path) - 1, coalesce(c.children, 0), coalesce(c.descendants, 0), the_walk,
        s.name || ':' || m.id, m.path
    from hiersync.source s cross join settling_moved m left join settling_counts c on c.id = m.id
    where s.source_id = the_source and m.old_path is null
    order by m.path;
    insert into hiersync_internal.{node}_moved (source_id, walk_id, id, from_id, to_id, moved_at)
    select the_source, the_walk, m.id, m.old_parent_id, m.parent_id, clock_timestamp()
    -- Below a root whose id is learned at last nobody has moved.
    from settling_moved m where m.old_parent_id <> m.parent_id and m.old_parent_id::text not like '-%'
    on conflict (source_id, walk_id, id) do update set to_id = excluded.to_id, moved_at = excluded.moved_at;
    -- Moved there and back by a refresh.
    delete from hiersync_internal.{node}_moved m
    using settling_moved s where m.source_id = the_source and m.walk_id = the_walk and m.id = s.id and m.from_id = m.to_id;
    drop table settling, settling_main, settling_moved, settling_counts;
end
$$;
comment on function hiersync_internal.settle_{node}(int, bigint, {id}[], bigint) is 'Brings the settled tree to where the links say, at the end of a walk.';

-- Live nodes that have no place because they are below themselves. A walk up from everybody who has no place ends at a top, or goes round
-- and round.
create function hiersync_internal.cycles_of_{node}(the_source int, the_walk bigint) returns table (id {id}) language plpgsql
-- A plan that knows no sizes looks through the array for each of its members.
set plan_cache_mode = force_custom_plan as $$
declare
    unplaced {id}[] := array(select u.id from hiersync_internal.unplaced_of_{node}(the_source) u);
    above {id}[] := unplaced;
    many int := -1;
begin
    while cardinality(above) <> many loop
        many := cardinality(above);
        above := array(
            select distinct m.parent_id from unnest(above) u (id)
            cross join lateral hiersync_internal.main_of_{node}(the_source, the_walk, u.id) m
            where m.parent_id = any (unplaced)
        );
    end loop;
    return query select unnest(above);
end
$$;
comment on function hiersync_internal.cycles_of_{node}(int, bigint) is 'Live nodes that have no place because they are below themselves.';

        $sql$, '{node}', vendor.node), '{id}', vendor.id), '{entity}', vendor.entity), '{link}', vendor.link), '{name}', vendor.name),
            '{nodes}', vendor.nodes);
    end loop;
end
$each$;

-- The columns of the machinery's views are commented as those of their tables.
do $$
declare
    made text;
begin
    for made in
        select format('comment on column hiersync_internal.%I.%I is %L', v.name, a.attname, col_description(t.attrelid, t.attnum))
        from (values
            ('customer_node', 'hiersync.customer'), ('user_node', 'hiersync.reporting_user'), ('customer_edge', 'hiersync.customer_link'),
            ('user_edge', 'hiersync.reporting_line'), ('customer_edge_history', 'hiersync.customer_link_history'),
            ('user_edge_history', 'hiersync.reporting_line_history'), ('customer_position', 'hiersync.customer_place'),
            ('user_position', 'hiersync.reporting_place'), ('customer_moved', 'hiersync.customer_move'),
            ('user_moved', 'hiersync.reporting_move')
        ) v (name, made_of)
        join pg_attribute a on a.attrelid = ('hiersync_internal.' || v.name)::regclass
        join pg_attribute t on t.attrelid = v.made_of::regclass and t.attnum > 0 and (
            t.attname = a.attname or (a.attname, t.attname) in (
                ('id', 'customer_id'), ('id', 'user_id'), ('parent_id', 'manager_id'), ('child_id', 'user_id'), ('key', 'customer_key'),
                ('key', 'user_key')
            )
        )
    loop
        execute made;
    end loop;
end
$$;
