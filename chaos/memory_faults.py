"""A container is out of memory: something fills it up to its limit, and the kernel ends one of its processes."""

from __future__ import annotations

from chaos.components import Member
from chaos.errors import ExperimentError
from chaos.plan import Plan, Scene
from chaos.steps import docker, perform

#: `parent`: the service itself, and its container with it. `child`: the youngest of the processes that it started.
VICTIMS = ("parent", "child")
#: The kernel counts whom it ended in a control group; where, depends on the version of control groups.
_COUNT = """sub count {
    for my $name ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control") {
        open my $file, "<", $name or next;
        return map { /^oom_kill (\\d+)/ } <$file>;
    }
}
"""
#: Perl, because every image has it. The kernel ends the process with the highest score first; any process may raise the
#: score of another one of its user. Two processes fill, so that neither is the largest. They end when somebody was
#: ended, and after 90 s, and yield to others: the machine is not to suffer. Each string has another
#: length: Perl would hold equal ones only once.
_FILL = (
    _COUNT
    + """$0 = "drill-filler";
my (%parents, %names);
for (glob "/proc/[0-9]*/stat") {
    open my $file, "<", $_ or next;
    <$file> =~ /^(\\d+) \\((.*)\\) \\S (\\d+)/ and ($parents{$1}, $names{$1}) = ($3, $2);
}
sub youngest { my ($of) = @_; (sort { $b <=> $a } grep { $parents{$_} == $of } keys %parents)[0] }
my $victim = $names{1} =~ /^(tini|docker-init)$/ ? youngest(1) : 1;
$victim = youngest($victim) if $ARGV[0] eq "child";
open my $score, ">", "/proc/$victim/oom_score_adj" or die "$victim: $!";
print $score 1000;
close $score or die "$victim: $!";
my ($before) = count();
setpriority 0, 0, 10;
fork;
alarm 90;
my @full;
while ((count())[0] == $before) { push @full, "x" x (4e6 + @full) }
"""
)


#: The fillers still run if the kernel has ended nobody, or another process than the victim.
_END = """for (glob "/proc/[0-9]*/comm") {
    open my $file, "<", $_ or next;
    kill "KILL", m{(\\d+)} if <$file> eq "drill-filler\\n";
}
"""


def out_of_memory(member: Member, scene: Scene, *, victim: str) -> Plan:
    """Fill the container until the kernel ends the victim. If that is the `parent`, the container stays dead meanwhile.

    Raises:
        ExperimentError: there is no such victim.
    """
    if victim not in VICTIMS:
        raise ExperimentError(f"victim {victim}: there are {', '.join(VICTIMS)}.")
    fill = docker("exec", "--detach", member.identifier, "perl", "-e", _FILL, victim)
    end = docker("exec", member.identifier, "perl", "-e", _END, already="is not running")
    start = docker("start", member.identifier)
    what = f"{member.service} is out of memory, and the kernel ends its {victim}"
    if victim == "child":
        before = _ended(member)
        return Plan(what=what, inject=(fill,), undo=(end, start), lacks=lambda: _child_lacks(member, scene, before))
    return Plan(
        what=what,
        inject=(docker("update", "--restart", "no", member.identifier), fill),
        undo=(end, start, docker("update", "--restart", member.restart_policy, member.identifier)),
        lacks=lambda: _parent_lacks(member, scene),
    )


def _parent_lacks(member: Member, scene: Scene) -> str:
    now = scene.look(member)
    if now.running:
        return f"{member.service} runs"
    return "" if now.out_of_memory else f"{member.service} ended with {now.exit_code}, and not for want of memory"


def _child_lacks(member: Member, scene: Scene, before: int) -> str:
    now = scene.look(member)
    if not now.running or now.started_at != member.started_at:
        return f"{member.service} ended, and not one of its children"
    return "" if _ended(member) > before else f"{member.service} has ended nobody for want of memory"


def _ended(member: Member) -> int:
    """How many processes of a container the kernel has ended."""
    said = perform(docker("exec", member.identifier, "perl", "-e", f"{_COUNT} print count();"))
    return int(said)
