using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>A VM some of whose pages are missing, and somebody inside it who touches one page, once told to.</summary>
public abstract class MissingPagesSubject : IAsyncDisposable
{
    /// <summary>What is tested.</summary>
    public abstract MissingPages Missing { get; }

    /// <summary>The VM's memory.</summary>
    public abstract GuestMemory Memory { get; }

    /// <summary>
    /// Lets the guest touch the page it was made for. The task ends when the guest got past it; by then it may have written the first 8
    /// bytes of the page, and nothing else.
    /// </summary>
    public abstract Task TouchAsync();

    /// <summary>Ends the VM, whoever waits in it.</summary>
    public abstract ValueTask DisposeAsync();
}
