using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The poisoned pages of a VM on the control connection: the source's whole list, once nothing reads its memory any more. It is what
/// counts. Pages that turned bad after they had been sent are on it, and the destination drops what it has of them.
/// </summary>
internal static class CarriedPoison
{
    /// <summary>Sends the list; nothing where it is empty.</summary>
    public static async Task SendAsync(SourceLink link, IReadOnlyList<PoisonedPage> pages, CancellationToken cancellationToken)
    {
        foreach (PoisonedPage[] part in pages.Chunk(PoisonedPagesMessage.MaxPages))
        {
            await link.SendAsync(
                FrameType.PoisonedPages, new(part), ControlMessages.Default.PoisonedPagesMessage, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Takes a part of the list into the registry of the destination's memory.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.ProtocolViolation"/> for a page that is none.</exception>
    public static void Receive(ControlFrame frame, GuestMemory memory)
    {
        PoisonedPagesMessage message = frame.Read(ControlMessages.Default.PoisonedPagesMessage);
        if (message.Pages is null || message.Pages.Count > PoisonedPagesMessage.MaxPages)
        {
            throw new MigrationException(
                MigrationErrorReason.ProtocolViolation, $"The source listed {message.Pages?.Count ?? 0} poisoned pages in one message.");
        }

        foreach (PoisonedPage page in message.Pages)
        {
            if (page is null || page.Page < 0 || page.Page >= memory.PageCount || !IsSource(page.Source)
                || page.OriginalSource is { } original && !IsSource(original))
            {
                throw new MigrationException(
                    MigrationErrorReason.ProtocolViolation, $"The source lists a poisoned page that cannot be one: {page}.");
            }

            DropContents(memory, page.Page);
            memory.Poisoned.Describe(page with
            {
                Source = PoisonSource.Carried,
                OriginalSource = page.OriginalSource ?? page.Source,
                GuestPhysicalAddress = null,
            });
        }
    }

    /// <summary>
    /// Makes the pages fail in the incoming VM as they did at the source. Its memory is complete, and it has not loaded its state.
    /// </summary>
    public static Task MarkAsync(IVirtualMachine vm, CancellationToken cancellationToken) =>
        vm.Memory.Poisoned.IsEmpty ? Task.CompletedTask : vm.PoisonAsync(vm.Memory.Poisoned.ToList(), cancellationToken);

    private static bool IsSource(PoisonSource source) => source != PoisonSource.Invalid && Enum.IsDefined(source);

    private static void DropContents(GuestMemory memory, long page)
    {
        long offset = page << GuestMemory.PageShift;
        if (!memory.TryFindData(offset, out long start, out _) || start >= offset + GuestMemory.PageSizeBytes) return;
        memory.Write(offset, GuestMemory.ZeroPage);
    }
}
