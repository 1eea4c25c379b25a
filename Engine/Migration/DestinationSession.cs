using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>Follows one link of a post-copy at its destination, from its first page until it breaks or is needed no more.</summary>
internal sealed class DestinationSession(
    IVirtualMachine vm, MissingPages missing, PagePlacement placement, PageRequests requests, ControlConnection control,
    IncomingPages pages, DestinationCommit commit)
{
    private static readonly TimeSpan farewellLimit = TimeSpan.FromSeconds(2);

    /// <summary>Runs until its end. Throws nothing.</summary>
    public async Task<DestinationSessionEnd> RunAsync()
    {
        await using var heartbeat = new LinkHeartbeat(control);
        Task<DestinationSessionEnd> reading = ReadAsync();
        Task<Task> ended = Task.WhenAny(reading, vm.Exited, pages.Failure, requests.Failure);
        await Task.WhenAny(ended, placement.AllPlaced).ConfigureAwait(false);
        if (!ended.IsCompleted) await Task.WhenAny(ended, requests.Ended).ConfigureAwait(false);
        if (!ended.IsCompleted && await TellPlacedAsync().ConfigureAwait(false) is { } unheard)
        {
            return await StopAsync(reading, unheard).ConfigureAwait(false);
        }

        await ended.ConfigureAwait(false);
        return await StopAsync(reading, await FindEndAsync(reading).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private async Task<DestinationSessionEnd> ReadAsync()
    {
        try
        {
            while (true)
            {
                ControlFrame frame = await control.ReceiveAsync(CancellationToken.None).ConfigureAwait(false);
                if (frame.Type == FrameType.Alive) continue;
                frame.Expect(FrameType.Release);
                return placement.AllPlaced.IsCompleted
                    ? new(DestinationSessionEndKind.Released)
                    : throw new MigrationException(
                        MigrationErrorReason.ProtocolViolation, "The source let go of pages that are missing here.");
            }
        }
        catch (MigrationException error)
        {
            return new(
                error.Reason == MigrationErrorReason.MemoryMismatch ? DestinationSessionEndKind.Mismatch : DestinationSessionEndKind.Broken,
                error);
        }
    }

    private async Task<DestinationSessionEnd?> TellPlacedAsync()
    {
        // On this word the source lets go of its copy: a host opened on the journal after that must find a VM that is whole.
        await commit.RecordPlacedAsync().ConfigureAwait(false);
        MissingPageStatistics statistics = missing.Statistics;
        try
        {
            using var limit = new CancellationTokenSource(LinkHeartbeat.SilenceLimit);
            await control.SendAsync(
                FrameType.Placed, new(statistics.Touches, statistics.StallTime, placement.Digest), ControlMessages.Default.PlacedMessage,
                limit.Token).ConfigureAwait(false);
            return null;
        }
        catch (OperationCanceledException error)
        {
            return new(
                DestinationSessionEndKind.Broken,
                new(MigrationErrorReason.ConnectionLost, "The source takes no more frames.", null, error));
        }
        catch (MigrationException error)
        {
            return new(DestinationSessionEndKind.Broken, error);
        }
    }

    /// <summary>Tells the source why, unless that ended it, and closes what is left once the source has heard.</summary>
    private async Task<DestinationSessionEnd> StopAsync(Task<DestinationSessionEnd> reading, DestinationSessionEnd end)
    {
        if (reading.IsCompleted) return end;
        MigrationException reason = end.Error ?? new(
            MigrationErrorReason.VmExited, $"The VM ended at the destination: {await vm.Exited.ConfigureAwait(false)}",
            "Its end took place after it had left; nothing is left of it at the source.");
        bool told = await commit.TellAsync(control, reason, farewellLimit).ConfigureAwait(false);

        // The source hangs up once it has heard. Closed before that, the connection is reset by the source's next frame, and the reset may
        // overtake the word that was just said.
        if (told) await Task.WhenAny(reading, Task.Delay(farewellLimit)).ConfigureAwait(false);
        await control.DisposeAsync().ConfigureAwait(false);
        await reading.ConfigureAwait(false);
        return end;
    }

    private async Task<DestinationSessionEnd> FindEndAsync(Task<DestinationSessionEnd> reading)
    {
        if (vm.Exited.IsCompleted) return new(DestinationSessionEndKind.VmEnded);
        if (reading.IsCompleted) return await reading.ConfigureAwait(false);
        MigrationException error = await (pages.Failure.IsCompleted ? pages.Failure : requests.Failure).ConfigureAwait(false);
        if (error.Reason != MigrationErrorReason.VmExited) return new(DestinationSessionEndKind.Broken, error);

        // The process went away under the page; its end is noticed in a moment.
        await Task.WhenAny(vm.Exited, Task.Delay(farewellLimit)).ConfigureAwait(false);
        return vm.Exited.IsCompleted ? new(DestinationSessionEndKind.VmEnded) : new(DestinationSessionEndKind.Broken, error);
    }
}
