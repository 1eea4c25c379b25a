using System.Globalization;
using VmMigration.Functional.Tests.CrashSafety;
using Xunit;

namespace VmMigration.Soak;

/// <summary>
/// Every state of the protocol, and in each the agents and the QEMUs of both sides killed by SIGKILL. It may be said in the environment how
/// often (<c>VMMIGRATION_CRASH_ROUNDS</c>, 3) and for which cells (<c>VMMIGRATION_CRASH_CELLS</c>, a part of their names as the table shows
/// them, such as <c>post-copy Resumed x DestinationQemu</c>; all).
/// </summary>
public class CrashTableSoak
{
    private const int MinCells = 40;

    [Fact]
    public async Task Whoever_is_killed_at_whatever_state_the_guest_runs_once_with_its_memory_whole_or_waits_paused_with_a_way_out()
    {
        int rounds = int.Parse(Environment.GetEnvironmentVariable("VMMIGRATION_CRASH_ROUNDS") ?? "3", CultureInfo.InvariantCulture);
        string named = Environment.GetEnvironmentVariable("VMMIGRATION_CRASH_CELLS") ?? "";
        CrashCell[] cells =
        [
            .. from state in CrashState.All
               from victim in Enum.GetValues<CrashVictim>()
               let cell = new CrashCell(state, victim)
               where cell.ToString().Contains(named, StringComparison.OrdinalIgnoreCase)
               select cell,
        ];
        if (named.Length == 0) Assert.True(cells.Length >= MinCells);
        await CrashTable.RunAsync(cells, rounds);
    }
}
