using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;
using VmMigration.Engine.Disks;
using Reason = VmMigration.Engine.MigrationErrorReason;

namespace VmMigration.Cmdlets.Tests;

/// <summary>The cmdlets for disk transfers on scripted hosts; the acceptance tests copy real disks.</summary>
[Collection(nameof(DiskTransferTests))]
public sealed class DiskTransferTests : IAsyncLifetime
{
    private const string Disk = "/vm/web01.raw";
    private const long SizeBytes = 1000L << 20;

    private readonly ModuleSession session = new();
    private ScriptedMigrationHost source = null!;
    private ScriptedMigrationHost destination = null!;

    public async ValueTask InitializeAsync()
    {
        source = await ScriptedMigrationHost.AddAsync(session.HostA, session.VmName);
        destination = await ScriptedMigrationHost.AddAsync(session.HostB, session.VmName);
        source.Disks.Add(Disk, SizeBytes);
    }

    public ValueTask DisposeAsync()
    {
        session.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void The_easy_command_copies_a_disk_and_says_what_it_did()
    {
        source.Disks.CompletesAtOnce = true;
        DiskTransfer transfer = session.RunClean($"Start-DiskTransfer {Disk} $a $b -Wait").Single<DiskTransfer>();
        Assert.Equal((DiskTransferState.Completed, 100, SizeBytes), (transfer.State, transfer.PercentComplete, transfer.SentBytes));
        Assert.Equal((session.HostA, session.HostB, "/datastore/web01.raw"), (transfer.SourceHostName, transfer.DestinationHostName, transfer.DestinationPath));
        Assert.Equal(DiskResumptionKind.Fresh, transfer.Resumption.Kind);
        Assert.NotNull(transfer.Digest);
    }

    [Fact]
    public void Every_parameter_reaches_the_destination()
    {
        session.RunClean($"""
            Start-DiskTransfer {Disk} $a $b -DestinationPath new/ -DestinationFormat Qcow2 -Compression Zstd -MaxBytesPerSecond 100MB `
                -Channels 3 -Force -NoFragment
            """);
        IncomingDiskRequest request = Assert.Single(destination.Disks.Requests);
        Assert.Equal("new/web01.raw", request.DestinationPath);
        Assert.Equal(
            new Engine.Disks.DiskTransferOptions
            {
                MaxBytesPerSecond = 100 << 20,
                Channels = 3,
                Compression = Engine.Disks.DiskCompression.Zstd,
                DestinationFormat = Engine.Disks.DiskFormat.Qcow2,
                Overwrite = true,
                UseFragment = false,
            },
            request.Options);
    }

    [Fact]
    public void Paths_and_files_come_down_the_pipeline()
    {
        source.Disks.Add("/vm/web02.raw", SizeBytes);
        source.Disks.CompletesAtOnce = true;
        ScriptOutcome outcome = session.RunClean("""
            '/vm/web01.raw', [IO.FileInfo] '/vm/web02.raw' | Start-DiskTransfer -SourceHost $a -DestinationHost $b | Wait-DiskTransfer
            """);
        Assert.Equal([Disk, "/vm/web02.raw"], outcome.All<DiskTransfer>().Select(transfer => transfer.SourcePath));
    }

    [Fact]
    public void A_path_that_begins_with_a_dot_is_the_session_s_and_any_other_relative_one_the_datastore_s()
    {
        string here = session.RunClean("$PWD.ProviderPath").Single<string>();
        source.Disks.Add($"{here}/here.raw", SizeBytes);
        source.Disks.Add("there.raw", SizeBytes);
        Assert.Equal($"{here}/here.raw", session.RunClean("Start-DiskTransfer ./here.raw $a $b").Single<DiskTransfer>().SourcePath);
        Assert.Equal("there.raw", session.RunClean("Start-DiskTransfer there.raw $a $b").Single<DiskTransfer>().SourcePath);
    }

    [Fact]
    public void Start_returns_a_handle_at_once_that_Get_and_Wait_take()
    {
        ScriptOutcome begun = session.RunClean($"$script:begun = Start-DiskTransfer {Disk} $a $b; $begun");
        Assert.Equal(DiskTransferState.Transferring, begun.Single<DiskTransfer>().State);
        source.Disks.Advance(40);
        Assert.Equal(40, session.RunClean("$begun | Get-DiskTransfer").Single<DiskTransfer>().PercentComplete);
        Assert.Equal(40, session.RunClean("Wait-DiskTransfer web01.raw -PercentComplete 40").Single<DiskTransfer>().PercentComplete);
        source.Disks.Complete();
        Assert.Equal(DiskTransferState.Completed, session.RunClean("$begun | Wait-DiskTransfer -Timeout 1min").Single<DiskTransfer>().State);
        Assert.Single(session.RunClean("Get-DiskTransfer -Id $begun.Id").Output);
    }

    [Fact]
    public void A_wait_that_is_over_in_time_is_an_error_with_the_transfer_which_goes_on()
    {
        session.RunClean($"Start-DiskTransfer {Disk} $a $b");
        ErrorRecord error = session.RunFailing("Wait-DiskTransfer web01.raw -Timeout 50ms");
        Assert.StartsWith("TimedOut", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.False(Assert.IsType<DiskTransfer>(error.TargetObject).HasEnded);
        Assert.Contains("Wait-DiskTransfer", error.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void A_failed_transfer_is_an_error_that_says_what_is_kept_and_how_to_go_on()
    {
        session.RunClean($"Start-DiskTransfer {Disk} $a $b");
        source.Disks.Advance(90);
        source.Disks.Fail(Reason.ConnectionLost, "The link broke.");
        ErrorRecord error = session.RunFailing("Wait-DiskTransfer web01.raw");
        Assert.StartsWith("ConnectionLost", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("900 of 1000 MiB are kept", error.Exception.Message, StringComparison.Ordinal);
        DiskTransfer transfer = Assert.IsType<DiskTransfer>(error.TargetObject);
        Assert.Equal($"Go on with: Resume-DiskTransfer -Id {transfer.Id}", error.ErrorDetails.RecommendedAction);
        Assert.Equal("ConnectionLost", transfer.ErrorId);
    }

    [Theory]
    [InlineData("Resume-DiskTransfer web01.raw")]
    [InlineData("Resume-DiskTransfer *")]
    [InlineData("Resume-DiskTransfer -Id $begun.Id")]
    [InlineData("$begun | Resume-DiskTransfer")]
    [InlineData("Get-DiskFragment web01.raw -HostName $b | Resume-DiskTransfer")]
    [InlineData("Start-DiskTransfer /vm/web01.raw $a $b")]
    public void A_transfer_that_failed_goes_on_from_its_fragment(string script)
    {
        session.RunClean($"$script:begun = Start-DiskTransfer {Disk} $a $b");
        source.Disks.Advance(90);
        source.Disks.Fail(Reason.ConnectionLost, "The link broke.");
        DiskTransfer resumed = session.RunClean(script).Single<DiskTransfer>();
        Assert.Equal((DiskResumptionKind.Continued, 900L << 20), (resumed.Resumption.Kind, resumed.Resumption.OffsetBytes));
        source.Disks.Complete();
        Assert.Equal(100L << 20, session.RunClean("Wait-DiskTransfer web01.raw").Single<DiskTransfer>().SentBytes);
        Assert.Empty(session.RunClean("Get-DiskFragment -HostName $b").Output);
    }

    [Fact]
    public void A_resumed_transfer_keeps_its_options_but_for_those_that_are_given()
    {
        session.RunClean($"Start-DiskTransfer {Disk} $a $b -DestinationFormat Qcow2 -Channels 3 -MaxBytesPerSecond 1MB -NoFragment");
        source.Disks.Fail(Reason.ConnectionLost, "The link broke.");
        session.RunClean("Resume-DiskTransfer web01.raw -MaxBytesPerSecond 100MB");
        Engine.Disks.DiskTransferOptions options = destination.Disks.Requests[^1].Options;
        Assert.Equal((Engine.Disks.DiskFormat.Qcow2, 3, 100L << 20, true), (options.DestinationFormat, options.Channels, options.MaxBytesPerSecond, options.UseFragment));
    }

    [Fact]
    public void A_suspended_transfer_goes_on_as_it_was_and_takes_no_other_options()
    {
        ScriptOutcome outcome = session.RunClean($"""
            $begun = Start-DiskTransfer {Disk} $a $b
            $begun | Suspend-DiskTransfer -PassThru
            Resume-DiskTransfer web01.raw
            """);
        Assert.Equal([DiskTransferState.Suspended, DiskTransferState.Transferring], outcome.All<DiskTransfer>().Select(transfer => transfer.State));
        Assert.Single(outcome.All<DiskTransfer>().Select(transfer => transfer.Id).Distinct());
        session.RunClean("Suspend-DiskTransfer web01.raw");
        ErrorRecord error = session.RunFailing("Resume-DiskTransfer web01.raw -Channels 2");
        Assert.StartsWith("InvalidArgument", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(DiskTransferState.Suspended, session.RunClean("Get-DiskTransfer web01.raw").Single<DiskTransfer>().State);
    }

    [Fact]
    public void A_stopped_transfer_leaves_a_fragment_and_a_pattern_leaves_ended_ones_alone()
    {
        DiskTransfer stopped = session.RunClean($"Start-DiskTransfer {Disk} $a $b | Stop-DiskTransfer -PassThru").Single<DiskTransfer>();
        Assert.Equal((DiskTransferState.Cancelled, (Guid?)stopped.Id), (stopped.State, stopped.FragmentId));
        Assert.Empty(session.RunClean("Stop-DiskTransfer *web01* -PassThru; Suspend-DiskTransfer *web01* -PassThru").Output);
        Assert.StartsWith("InvalidState", session.RunFailing("Suspend-DiskTransfer web01.raw").FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_a_disk_s_transfers_to_several_places_the_one_that_can_go_on_is_meant()
    {
        session.RunClean($"Start-DiskTransfer {Disk} $a $b -DestinationPath first.raw");
        source.Disks.Complete();
        session.RunClean($"Start-DiskTransfer {Disk} $a $b -DestinationPath second.raw");
        DiskTransfer stopped = session.RunClean("Stop-DiskTransfer web01.raw -PassThru").Single<DiskTransfer>();
        DiskTransfer resumed = session.RunClean("Resume-DiskTransfer web01.raw").Single<DiskTransfer>();
        Assert.Equal(("/datastore/second.raw", stopped.DestinationPath), (resumed.DestinationPath, resumed.DestinationPath));
    }

    [Fact]
    public void A_completed_transfer_is_not_resumed()
    {
        source.Disks.CompletesAtOnce = true;
        session.RunClean($"Start-DiskTransfer {Disk} $a $b");
        Assert.StartsWith("InvalidState", session.RunFailing("Resume-DiskTransfer web01.raw").FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Empty(session.RunClean("Resume-DiskTransfer web*").Output);
    }

    [Theory]
    [InlineData("Start-DiskTransfer /vm/none.raw $a $b", "DiskNotFound")]
    [InlineData("Start-DiskTransfer /vm/busy.raw $a $b", "DiskInUse")]
    [InlineData("Start-DiskTransfer /vm/web01.raw $a $c", "HostNotFound")]
    [InlineData("Start-DiskTransfer /vm/web01.raw $c $b", "HostNotFound")]
    [InlineData("Start-DiskTransfer /vm/web01.raw $a $b -GatewayHost $b", "InvalidArgument")]
    [InlineData("Start-DiskTransfer /vm/web01.raw $a $b -MaxBytesPerSecond 1", "InvalidArgument")]
    [InlineData("Start-DiskTransfer /vm/web01.raw $a $b -Wait -AsJob", "InvalidArgument")]
    [InlineData("Get-DiskTransfer none.raw", "DiskTransferNotFound")]
    [InlineData("Resume-DiskTransfer -Id ([guid]::NewGuid())", "DiskTransferNotFound")]
    public void What_cannot_be_says_why(string script, string errorId)
    {
        source.Disks.Add("/vm/busy.raw", SizeBytes, isBeingWritten: true);
        Assert.StartsWith(errorId, session.RunFailing(script).FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Empty(session.RunClean("Get-DiskTransfer *").Output);
    }

    [Fact]
    public void WhatIf_copies_resumes_and_stops_nothing()
    {
        Assert.Empty(session.RunClean($"Start-DiskTransfer {Disk} $a $b -WhatIf").Output);
        Assert.Contains($"Copy to {session.HostB}", session.Host.Screen.TakeText(), StringComparison.Ordinal);
        session.RunClean($"Start-DiskTransfer {Disk} $a $b; Stop-DiskTransfer web01.raw -WhatIf; Suspend-DiskTransfer web01.raw -WhatIf");
        Assert.Equal(DiskTransferState.Transferring, session.RunClean("Get-DiskTransfer").Single<DiskTransfer>().State);
        session.RunClean("Stop-DiskTransfer web01.raw; Resume-DiskTransfer web01.raw -WhatIf");
        Assert.Single(session.RunClean("Get-DiskTransfer").Output);
    }

    [Fact]
    public void A_job_ends_with_the_transfer_and_stopping_it_stops_the_transfer()
    {
        ScriptOutcome outcome = session.RunClean($"""
            $job = Start-DiskTransfer {Disk} $a $b -AsJob
            $job.Name; $job.PSJobTypeName; $job.State.ToString()
            Stop-Job $job
            $job.State.ToString()
            Remove-Job $job
            """);
        Assert.Equal(["Copy web01.raw", "DiskTransfer", "Running", "Stopped"], outcome.Output);
        source.Disks.CompletesAtOnce = true;
        DiskTransfer received = session.RunClean("$job = Resume-DiskTransfer web01.raw -AsJob; $null = Wait-Job $job -Timeout 60; Receive-Job $job; Remove-Job $job")
            .Single<DiskTransfer>();
        Assert.Equal(DiskTransferState.Completed, received.State);
    }

    [Fact]
    public void The_disks_of_a_VM_are_meant_by_its_object()
    {
        source.Disks.Add("/vm/data.qcow2", SizeBytes);
        source.Disks.CompletesAtOnce = true;
        source.Vms = [VmWith(new Engine.Hypervisors.Qemu.QemuGuest
        {
            Disks =
            [
                new(Disk),
                new("/vm/data.qcow2", "qcow2") { Base = new("/vm/base.qcow2", "qcow2") },
            ],
        })];
        ScriptOutcome outcome = session.RunClean("Get-MigrationVm $vm | Start-DiskTransfer -DestinationHost $b -Wait");
        Assert.Equal(["/vm/data.qcow2", Disk], outcome.All<DiskTransfer>().Select(transfer => transfer.SourcePath).Order());
        // An overlay travels with what is below it.
        Assert.Equal([null, Engine.Disks.DiskFormat.Qcow2], destination.Disks.Requests.Select(request => request.Options.DestinationFormat));
        source.Vms = [VmWith(null)];
        ErrorRecord error = session.RunFailing("Get-MigrationVm $vm | Start-DiskTransfer -DestinationHost $b");
        Assert.StartsWith("InvalidArgument", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.IsType<MigrationVm>(error.TargetObject);
    }

    private Engine.Hosts.VmDescription VmWith(Engine.Hypervisors.Qemu.QemuGuest? guest) => new()
    {
        HostName = session.HostA,
        State = Engine.Hypervisors.VmState.Stopped,
        Specification = new()
        {
            Id = source.Status.VmId,
            Name = session.VmName,
            MemoryBytes = 16 << 20,
            Qemu = guest,
            Embedded = guest is null ? new() { Program = Engine.Hypervisors.Embedded.GuestProgramKind.Idle } : null,
        },
    };
}
