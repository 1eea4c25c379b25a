using System.Globalization;
using VmMigration.Functional.Tests.CrashSafety;
using Xunit;

namespace VmMigration.Soak;

/// <summary>
/// Every state of the protocol, and in each the agents and the QEMUs of both sides killed by SIGKILL. It may be said in the environment how
/// often (<c>VMMIGRATION_CRASH_ROUNDS</c>, 3) and for which states (<c>VMMIGRATION_CRASH_STATES</c>, a part of their names; all).
/// </summary>
public class CrashTableSoak
{
    private const int MinCells = 40;

    [Fact]
    public async Task Whoever_is_killed_at_whatever_state_the_guest_runs_once_with_its_memory_whole_or_waits_paused_with_a_way_out()
    {
        int rounds = int.Parse(Environment.GetEnvironmentVariable("VMMIGRATION_CRASH_ROUNDS") ?? "3", CultureInfo.InvariantCulture);
        string states = Environment.GetEnvironmentVariable("VMMIGRATION_CRASH_STATES") ?? "";
        CrashCell[] cells =
        [
            .. from state in CrashState.All
               where state.ToString().Contains(states, StringComparison.OrdinalIgnoreCase)
               from victim in Enum.GetValues<CrashVictim>()
               select new CrashCell(state, victim),
        ];
        if (states.Length == 0) Assert.True(cells.Length >= MinCells);
        await CrashTable.RunAsync(cells, rounds);
    }
}
