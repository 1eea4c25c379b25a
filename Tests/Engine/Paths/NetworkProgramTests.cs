using VmMigration.Engine.Native;
using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Engine.Tests.Paths;

public class NetworkProgramTests
{
    [Fact]
    public async Task A_failure_says_what_was_wanted_and_what_the_program_said()
    {
        using NetworkNamespace space = NetworkNamespace.Create();
        var network = new PathNetwork(space);

        MigrationException missing = await FailAsync(network, "link set nowhere up\n");
        MigrationException taken = await FailAsync(network, "route add blackhole 192.0.2.1\nroute add blackhole 192.0.2.1\n");

        Assert.Equal(MigrationErrorReason.SystemCallFailed, missing.Reason);
        Assert.Contains("try a thing", missing.Message, StringComparison.Ordinal);
        Assert.Contains("nowhere", missing.Message, StringComparison.Ordinal);
        Assert.Equal(MigrationErrorReason.InvalidState, taken.Reason);
    }

    [Fact]
    public async Task It_runs_in_the_network_it_was_given()
    {
        using NetworkNamespace space = NetworkNamespace.Create();

        string devices = await NetworkProgram.Ip.RunAsync(
            new(space), ["-o", "link"], "", "list devices", TestContext.Current.CancellationToken);

        Assert.StartsWith("1: lo:", Assert.Single(devices.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    private static Task<MigrationException> FailAsync(PathNetwork network, string commands) => Assert.ThrowsAsync<MigrationException>(() =>
        NetworkProgram.Ip.RunAsync(network, ["-batch", "-"], commands, "try a thing", TestContext.Current.CancellationToken));
}
