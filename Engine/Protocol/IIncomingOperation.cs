namespace VmMigration.Engine.Protocol;

/// <summary>What the listener hands connections to, once they have shown the right ticket: a VM or a disk that arrives.</summary>
internal interface IIncomingOperation
{
    /// <summary>Id of the operation on both hosts.</summary>
    Guid OperationId { get; }

    /// <summary>The 32 bytes a connection must present.</summary>
    ReadOnlyMemory<byte> Ticket { get; }

    /// <summary>Reserves a connection; false where there is one of that kind already, none is expected, or the operation has ended.</summary>
    bool TryClaim(ConnectionRole role, int channel);

    /// <summary>
    /// Takes a connection that was claimed and welcomed. One that carries data is served on the calling thread until it or the operation
    /// ends; its failures are the operation's: this throws nothing.
    /// </summary>
    /// <returns>True where the connection is the operation's from now on; false where the caller is to close it.</returns>
    bool Serve(LinkTransport transport, ConnectionRole role, int channel);
}
