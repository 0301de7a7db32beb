-- Users known from earlier walks as outside the roots who now hang on one: their content is to be read once more.
select t.child_id as "user_id!"
from hiersync_internal.user_told($1, $2) t join hiersync_internal.user_reached($1, $2, false) r on r.user_id = t.child_id
where t.content is null
