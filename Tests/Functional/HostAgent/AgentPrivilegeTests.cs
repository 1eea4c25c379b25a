using System.Diagnostics;
using System.Globalization;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using VmMigration.Functional.Tests.Qemu;
using Xunit;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>
/// Agents of an account that is not root, with the capabilities the test gives them. The guests are QEMU's: embedded ones need no rights and
/// go along.
/// </summary>
public sealed class AgentPrivilegeTests : IAsyncLifetime
{
    // 'nobody', or what has no name at all: the account needs no entry anywhere.
    private const int UserId = 65534;

    private AgentLab lab = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => lab = await AgentLab.CreateAsync();

    public ValueTask DisposeAsync() => lab.DisposeAsync();

    [Fact]
    public async Task Without_any_capability_a_guest_migrates_and_what_is_missing_is_named()
    {
        (RemoteHost from, RemoteHost to) = (await StartAsync("a"), await StartAsync("b"));
        await using RemoteHost source = from, destination = to;

        MigrationResult result = await MigrateGuestAsync(from, to, PostcopyPolicy.WhenNotConverging);

        Assert.Equal(WriteTraceMechanism.AsyncWriteProtect, result.WriteTraceMechanism);
        Assert.True(result.PagesPopulated > 0);
        Assert.Contains(result.Fallbacks, fallback =>
            fallback.Contains("Post-copy could not have been used", StringComparison.Ordinal)
            && fallback.Contains("CAP_SYS_PTRACE", StringComparison.Ordinal));
    }

    [Fact]
    public async Task With_the_right_to_trace_processes_only_post_copy_works_as_well()
    {
        (RemoteHost from, RemoteHost to) = (await StartAsync("a", "sys_ptrace"), await StartAsync("b", "sys_ptrace"));
        await using RemoteHost source = from, destination = to;

        MigrationResult result = await MigrateGuestAsync(from, to, PostcopyPolicy.AfterFirstPass);

        Assert.NotNull(result.Postcopy);
    }

    [Fact]
    public async Task Of_its_agents_capabilities_a_guest_has_only_the_one_that_userfaultfd_asks_for()
    {
        await using RemoteHost host = await StartAsync("a", "sys_ptrace", "net_admin", "sys_admin", "sys_nice");

        VmDescription vm = await BootAsync(host);

        string[] status = await File.ReadAllLinesAsync($"/proc/{vm.Instance!.ProcessId}/status", Cancel);
        foreach (string set in new[] { "CapEff", "CapPrm", "CapInh", "CapAmb" }) Assert.Contains($"{set}:\t{1 << ProcessCapabilities.SysPtrace:x16}", status);
    }

    private async Task<RemoteHost> StartAsync(string name, params string[] capabilities)
    {
        string user = UserId.ToString(CultureInfo.InvariantCulture);
        string given = string.Join(',', capabilities.Select(capability => "+" + capability).Prepend("-all"));
        AgentProcess agent = lab.Add(new()
        {
            Name = name,
            Launcher =
            [
                "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--inh-caps", given, "--ambient-caps", given,
                "--bounding-set", given,
            ],
        });
        await ChangeOwnerAsync(user, agent.RamDirectory, Path.Combine(lab.Root, name), Path.Combine(lab.Root, "certificates"));
        await agent.StartAsync(Cancel);
        return await agent.ConnectAsync(Cancel);
    }

    private async Task<VmDescription> BootAsync(RemoteHost host)
    {
        VmSpecification guest = await DemoGuestFixture.SpecifyAsync(Path.Combine(lab.Root, "guest"), "guest", Cancel);
        await host.CreateVmAsync(guest, Cancel);
        VmDescription vm = await host.StartVmAsync(guest.Id, Cancel);
        await new GuestConsole(vm.Instance!.SerialLogPath!).WaitForTickAsync(1, Cancel);
        return vm;
    }

    private async Task<MigrationResult> MigrateGuestAsync(RemoteHost from, RemoteHost to, PostcopyPolicy postcopy)
    {
        VmDescription vm = await BootAsync(from);
        MigrationStatus status = await MigrationBroker.StartAsync(
            from, vm.Specification.Id, to,
            new()
            {
                Postcopy = postcopy,
                VerifyMemory = postcopy != PostcopyPolicy.AfterFirstPass,
                DowntimeLimit = TimeSpan.FromSeconds(2),
            }, Cancel);
        await foreach (MigrationStatus next in from.WatchMigrationAsync(status.Id, Cancel)) status = next;
        Assert.True(status.State == MigrationState.Completed, $"{status.State}: {status.ErrorMessage}");
        VmDescription arrived = await to.GetVmAsync(vm.Specification.Id, Cancel);
        var console = new GuestConsole(arrived.Instance!.SerialLogPath!);
        await console.WaitForTickAsync(console.LastTick() + 2, Cancel);
        return status.Result!;
    }

    private static async Task ChangeOwnerAsync(string user, params string[] paths)
    {
        using var process = Process.Start("chown", ["-R", $"{user}:{user}", .. paths]);
        await process.WaitForExitAsync(Cancel);
        Assert.Equal(0, process.ExitCode);
    }
}
