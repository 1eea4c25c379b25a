using System.Diagnostics;
using System.Runtime.Versioning;
using System.Text.Json.Nodes;
using VmMigration.Engine;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>Disks that are copied between two agents over TLS, whatever becomes of the session and of either agent meanwhile.</summary>
[SupportedOSPlatform("linux")]
public sealed class AgentDiskTests : IAsyncLifetime
{
    private const int MiB = 1 << 20;
    private const int DiskBytes = (64 * MiB) + 4_321;

    private AgentLab lab = null!;
    private AgentProcess source = null!;
    private AgentProcess destination = null!;
    private string disk = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        lab = await AgentLab.CreateAsync();
        source = await lab.StartAsync(Describe("source"), Cancel);
        destination = await lab.StartAsync(Describe("destination"), Cancel);
        byte[] contents = new byte[DiskBytes];
        new Random(DiskBytes).NextBytes(contents);
        disk = Path.Combine(DatastoreOf(source), "disk.raw");
        await File.WriteAllBytesAsync(disk, contents, Cancel);
    }

    public ValueTask DisposeAsync() => lab.DisposeAsync();

    [Fact]
    public async Task A_disk_arrives_although_the_session_that_asked_for_it_is_closed()
    {
        Guid transferId;
        await using (RemoteHost from = await source.ConnectAsync(Cancel), to = await destination.ConnectAsync(Cancel))
        {
            Assert.Equal(DatastoreOf(destination), (await to.DescribeAsync(Cancel)).DatastoreDirectory);
            transferId = (await StartAsync(from, to, new() { MaxBytesPerSecond = 16 * MiB })).Id;
        }

        await using RemoteHost next = await source.ConnectAsync(Cancel);
        DiskTransferStatus ended = await next.Disks.WatchDiskTransferAsync(transferId, Cancel).LastAsync(Cancel);

        Assert.Equal((DiskTransferState.Completed, LinkSecurity.Tls), (ended.State, ended.LinkSecurity));
        await AssertArrivedAsync(ended);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task A_transfer_whose_agent_is_restarted_goes_on_from_its_fragment_when_it_is_asked_for_again(bool atSource, bool orderly)
    {
        await using RemoteHost from = await source.ConnectAsync(Cancel), to = await destination.ConnectAsync(Cancel);
        DiskTransferStatus started = await StartAsync(from, to, new() { MaxBytesPerSecond = 16 * MiB });
        DiskTransferStatus before = await from.Disks.WatchDiskTransferAsync(started.Id, Cancel)
            .FirstAsync(status => status.DurableOffsetBytes >= 16 * MiB, Cancel);
        Assert.False(before.HasEnded);

        AgentProcess agent = atSource ? source : destination;
        if (orderly) Assert.Equal(0, await agent.StopAsync(Cancel));
        else await agent.KillAsync();
        await agent.StartAsync(Cancel);

        DiskTransferStatus interrupted = await from.Disks.WatchDiskTransferAsync(started.Id, Cancel).LastAsync(Cancel);
        Assert.True(interrupted.State is DiskTransferState.Failed or DiskTransferState.Cancelled, $"{interrupted.State}");
        Assert.NotNull(interrupted.RecommendedAction);
        DiskFragment fragment = await WaitForFragmentAsync(to);
        Assert.True(fragment.OffsetBytes >= before.DurableOffsetBytes, $"{fragment.OffsetBytes} of {before.DurableOffsetBytes}");

        DiskTransferStatus again = await StartAsync(from, to, new());
        DiskTransferStatus ended = await from.Disks.WatchDiskTransferAsync(again.Id, Cancel).LastAsync(Cancel);

        Assert.Equal((DiskTransferState.Completed, DiskResumptionKind.Continued), (ended.State, ended.Resumption.Kind));
        Assert.Equal(fragment.Id, ended.Resumption.FragmentId);
        long rest = DiskBytes - fragment.OffsetBytes;
        Assert.True(ended.DataBytes <= rest, $"{ended.DataBytes} bytes were sent where {rest} were missing.");
        await AssertArrivedAsync(ended);
        Assert.Empty(await to.Disks.ListDiskFragmentsAsync(Cancel));
    }

    [Fact]
    public async Task A_stop_ends_a_transfer_tells_who_follows_it_and_keeps_what_arrived()
    {
        await using RemoteHost from = await source.ConnectAsync(Cancel), to = await destination.ConnectAsync(Cancel);
        DiskTransferStatus status = await StartAsync(from, to, new() { MaxBytesPerSecond = 16 * MiB });
        bool stopRequested = false;

        await foreach (DiskTransferStatus next in from.Disks.WatchDiskTransferAsync(status.Id, Cancel))
        {
            status = next;
            if (stopRequested || status.DurableOffsetBytes < 16 * MiB) continue;
            source.RequestStop();
            stopRequested = true;
        }

        Assert.Equal((DiskTransferState.Cancelled, MigrationErrorReason.Cancelled), (status.State, status.ErrorReason));
        Assert.Equal(0, await source.WaitForExitAsync(Cancel));
        DiskFragment fragment = Assert.Single(await to.Disks.ListDiskFragmentsAsync(Cancel));
        Assert.Equal(status.FragmentId, fragment.Id);
        Assert.Equal(DatastoreOf(destination), Path.GetDirectoryName(fragment.DestinationPath));
    }

    [Fact]
    public async Task A_check_beside_a_running_agent_leaves_its_fragments_alone()
    {
        await using RemoteHost from = await source.ConnectAsync(Cancel), to = await destination.ConnectAsync(Cancel);
        DiskTransferStatus started = await StartAsync(from, to, new() { MaxBytesPerSecond = 16 * MiB });
        await from.Disks.WatchDiskTransferAsync(started.Id, Cancel).FirstAsync(status => status.DurableOffsetBytes > 0, Cancel);
        await from.Disks.CancelDiskTransferAsync(started.Id, Cancel);
        DiskFragment fragment = Assert.Single(await to.Disks.ListDiskFragmentsAsync(Cancel));

        string said = await CheckAsync(destination);

        Assert.Contains($"Disks in '{DatastoreOf(destination)}'", said, StringComparison.Ordinal);
        Assert.Contains("1024 MiB", said, StringComparison.Ordinal);
        Assert.True(File.Exists(fragment.Path));
        Assert.Equal(fragment, Assert.Single(await to.Disks.ListDiskFragmentsAsync(Cancel)));
    }

    private static AgentProcessOptions Describe(string name) => new()
    {
        Name = name,

        // Relative to the directory of the configuration.
        Configure = configuration => configuration["disks"] = new JsonObject
        {
            ["datastore"] = "images",
            ["fragmentAgeLimit"] = "1h",
            ["fragmentBytesLimit"] = "1GiB",
        },
    };

    private static async Task<string> CheckAsync(AgentProcess agent)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        string configuration = Path.Combine(agent.Lab.Root, agent.Name, "agent.json");
        foreach (string argument in new[] { AgentProcess.ProgramPath, "host", "--config", configuration, "--check" })
        {
            start.ArgumentList.Add(argument);
        }

        using Process check = Process.Start(start)!;
        string said = await check.StandardOutput.ReadToEndAsync(Cancel);
        await check.WaitForExitAsync(Cancel);
        Assert.Equal(0, check.ExitCode);
        return said;
    }

    private string DatastoreOf(AgentProcess agent) => Path.Combine(lab.Root, agent.Name, "images");

    private static Task<DiskTransferStatus> StartAsync(RemoteHost from, RemoteHost to, DiskTransferOptions options) =>
        DiskTransferBroker.StartAsync(from, "disk.raw", to, null, options, MobilityPathChoice.Direct, Cancel);

    private static async Task<DiskFragment> WaitForFragmentAsync(RemoteHost host)
    {
        // A destination that lives on notices a moment later that its source is gone.
        for (int look = 0; look < 400; look++)
        {
            if (await host.Disks.ListDiskFragmentsAsync(Cancel) is [{ } fragment]) return fragment;
            await Task.Delay(50, Cancel);
        }

        throw new InvalidOperationException("The destination keeps nothing of what arrived.");
    }

    private async Task AssertArrivedAsync(DiskTransferStatus ended)
    {
        Assert.Equal(Path.Combine(DatastoreOf(destination), "disk.raw"), ended.DestinationPath);
        Assert.Equal(await File.ReadAllBytesAsync(disk, Cancel), await File.ReadAllBytesAsync(ended.DestinationPath, Cancel));
        Assert.Equal(["disk.raw"], Directory.EnumerateFileSystemEntries(DatastoreOf(destination)).Select(Path.GetFileName));
    }
}
