namespace VmMigration.Engine.Protocol;

/// <summary>What the listener hands connections to, once they have shown the right ticket.</summary>
internal interface IIncomingMigration
{
    Guid MigrationId { get; }

    /// <summary>The 32 bytes a connection must present.</summary>
    ReadOnlyMemory<byte> Ticket { get; }

    /// <summary>How it ended, for a source that lost its control connection.</summary>
    MigrationOutcome Outcome { get; }

    /// <summary>Reserves a connection; false where there is one of that kind already, none is expected, or the migration has ended.</summary>
    bool TryClaim(ConnectionRole role, int channel);

    /// <summary>Takes over the control connection that was claimed.</summary>
    void AttachControl(ControlConnection connection);

    /// <summary>Takes over the connection that is to take a broken post-copy up again.</summary>
    void AttachRecovery(ControlConnection connection);

    /// <summary>Takes over the conversation about the VM's disks that was claimed.</summary>
    void AttachDisks(ControlConnection connection) => throw new NotSupportedException("It claims no such connection.");

    /// <summary>
    /// Carries a disk's mirror over the connection that was claimed, on the calling thread, until either ends. It throws nothing.
    /// </summary>
    void RelayMirror(LinkTransport transport, int channel) => throw new NotSupportedException("It claims no such connection.");

    /// <summary>
    /// Receives pages over the data connection that was claimed, on the calling thread, until the connection or the migration ends. Its
    /// failures are the migration's: it throws nothing.
    /// </summary>
    void ReceivePages(DataConnection connection, int channel);
}
