using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>What a destination and its source say to each other over the control connection, from the first pass to the grant.</summary>
/// <param name="vm">The incoming VM.</param>
/// <param name="request">What was agreed on.</param>
/// <param name="control">The connection.</param>
/// <param name="pages">The data connections beside it.</param>
/// <param name="disksComplete">Ends once the VM's disks are whole here: it is not taken over before.</param>
/// <param name="startPostcopy">Takes pages away that are to follow the VM.</param>
internal sealed class DestinationConversation(
    IVirtualMachine vm, IncomingRequest request, ControlConnection control, IncomingPages pages, Task disksComplete,
    Func<PageSet, CancellationToken, Task> startPostcopy)
{
    // Shorter than the source waits before it asks and gives up: a grant held up in the network comes to a migration that has ended.
    private static readonly TimeSpan grantLimit = TimeSpan.FromSeconds(15);

    /// <summary>Follows the source's frames until it grants the VM.</summary>
    /// <param name="state">Takes the state.</param>
    /// <param name="populator">Fills the page tables until the memory is complete.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<GrantMessage> RunAsync(IncomingState state, PageTablePopulator? populator, CancellationToken cancellationToken)
    {
        bool verified = !request.Options.VerifyMemory;
        bool memoryComplete = false;
        bool ready = false;
        PageSet? missing = null;
        Task<ControlFrame>? next = null;
        while (true)
        {
            next ??= control.ReceiveAsync(cancellationToken);
            ControlFrame frame = ready && verified
                ? await WaitForGrantAsync(next, cancellationToken).ConfigureAwait(false)
                : await next.ConfigureAwait(false);
            next = null;
            switch (frame.Type)
            {
                case FrameType.State:
                    await state.AppendAsync(frame.Payload, cancellationToken).ConfigureAwait(false);
                    break;
                case FrameType.PoisonedPages when !memoryComplete:
                    CarriedPoison.Receive(frame, vm.Memory);
                    break;
                case FrameType.Verify:
                    await VerifyAsync(frame, missing, cancellationToken).ConfigureAwait(false);
                    verified = true;
                    break;
                case FrameType.Load when !memoryComplete:
                    // Every page is in place: whatever came now would be a version too many. And from here on the kernel's ordinary fault
                    // handling must serve the VM, since loading devices touches its memory.
                    pages.Seal();
                    populator?.Dispose();
                    await CarriedPoison.MarkAsync(vm, cancellationToken).ConfigureAwait(false);
                    memoryComplete = true;
                    break;
                case FrameType.Missing when !memoryComplete:
                    MissingFrame.Decode(frame.Payload, missing ??= new(vm.Memory.PageCount));
                    break;
                case FrameType.Postcopy when !memoryComplete:
                    pages.Seal();
                    populator?.Dispose();
                    memoryComplete = true;
                    await StartPostcopyAsync(frame, missing ?? new(vm.Memory.PageCount), cancellationToken).ConfigureAwait(false);
                    break;
                case FrameType.StateEnd when memoryComplete && !ready:
                    next = control.ReceiveAsync(cancellationToken);
                    await FinishLoadAsync(state, next).ConfigureAwait(false);
                    await control.SendAsync(FrameType.Ready, default, cancellationToken).ConfigureAwait(false);
                    ready = true;
                    break;
                case FrameType.Grant when ready && verified && disksComplete.IsCompletedSuccessfully:
                    return frame.Read(ControlMessages.Default.GrantMessage);
                default:
                    frame.Expect(FrameType.Grant);
                    throw NotLoaded();
            }
        }
    }

    private async Task StartPostcopyAsync(ControlFrame frame, PageSet missing, CancellationToken cancellationToken)
    {
        long expected = frame.Read(ControlMessages.Default.PostcopyMessage).Pages;
        if (vm.Capabilities.PostcopyRefused is not null || request.Options.Postcopy == PostcopyPolicy.Never || missing.Count != expected)
        {
            throw new MigrationException(
                MigrationErrorReason.ProtocolViolation, $"The source begins a post-copy of {expected} pages that was not agreed on.");
        }

        await startPostcopy(missing, cancellationToken).ConfigureAwait(false);
        await control.SendAsync(FrameType.PostcopyStarted, default, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Ends the load, unless the source goes first: a load in a post-copy waits for pages, which nobody would send any more.
    /// </summary>
    private static async Task FinishLoadAsync(IncomingState state, Task<ControlFrame> next)
    {
        Task finishing = state.FinishAsync();
        if (await Task.WhenAny(finishing, next).ConfigureAwait(false) == next)
        {
            (await next.ConfigureAwait(false)).Expect(FrameType.Grant);
            throw NotLoaded();
        }

        await finishing.ConfigureAwait(false);
    }

    private static MigrationException NotLoaded() =>
        new(MigrationErrorReason.ProtocolViolation, "The source granted a VM that is not loaded.");

    private static async Task<ControlFrame> WaitForGrantAsync(Task<ControlFrame> next, CancellationToken cancellationToken)
    {
        try
        {
            return await next.WaitAsync(grantLimit, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException error)
        {
            throw new MigrationException(
                MigrationErrorReason.TimedOut, $"The source did not grant the VM in {grantLimit.TotalSeconds:F0} s.", null, error);
        }
    }

    private async Task VerifyAsync(ControlFrame frame, PageSet? except, CancellationToken cancellationToken)
    {
        string expected = frame.Read(ControlMessages.Default.VerifyMessage).Digest;
        string actual = await MemoryDigest.ComputeAsync(vm.Memory, except, cancellationToken).ConfigureAwait(false);
        if (actual != expected)
        {
            throw new MigrationException(
                MigrationErrorReason.MemoryMismatch, $"Memory arrived with digest {actual}, the source's is {expected}.",
                "The VM is whole at the source. Please report this with both hosts' logs: no migration may change memory.");
        }

        await control.SendAsync(FrameType.Verified, default, cancellationToken).ConfigureAwait(false);
    }
}
