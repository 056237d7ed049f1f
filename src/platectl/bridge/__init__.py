r"""The far side of a bridge: a child process that owns PyLabRobot and one device.

A driver talks to it over the child's stdin and stdout as to any instrument; a simulator serves the
same conversation in its own process. One line each way, `CCCCCCCC JSON`, `\n`: CRC-32 of the JSON
text as eight hexadecimal digits, a blank, and one JSON object in ASCII.

Request: `{"do", "id", "key", "with"}`. `id` grows with each request; `key` is the identity of a verb.
Answer: `{"id", "ok": result}` or `{"code", "id", "kind", "says"}`. Verbs are done one after another;
`hello`, `recall` and `abort` do not wait for their turn. `kind` is what is known about the world:
`refused` (no call reached the backend), `fault` (the device answered with an error of its own),
`unknown` (everything else).

================ ============================ =======================================================================
do               with                         answer
================ ============================ =======================================================================
hello            device, backend, trusted     version, backend, busy: an earlier child is still at work
begin            device, options, now         takes the device, forgets what was before; nothing moves
resume           device, options              takes the device, with all that is remembered of it
recall           action                       since, busy, and the state of each key that begins so
abort            (none)                       stops the running verb, also that of an earlier child
a verb           its arguments                result; what is remembered as done is not done again, unless it sets a state
================ ============================ =======================================================================

What is begun is in the memory before the first call reaches the backend, and its end before the
answer goes out. States of a key: `done`, `refused`, `fault`, `unknown`, `aborted`, `running` (by this
child or an earlier one), `lost` (begun by a child that died).

The backend is set up at the first verb that needs it, because the set-up of many moves the device.
When the line closes, the child ends what it has begun, lets go of the backend, and ends.
"""
