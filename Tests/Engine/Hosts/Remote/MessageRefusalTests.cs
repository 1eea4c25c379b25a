using Google.Protobuf;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Tests.Disks;
using Xunit;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.Engine.Tests.Hosts.Remote;

public sealed class MessageRefusalTests
{
    [Fact]
    public void Nothing_but_what_is_known_of_a_status_is_taken()
    {
        Contract.MigrationStatus Message() =>
            SampleVms.Status(Guid.NewGuid(), SampleVms.Embedded(), MigrationState.Precopy).ToMessage();
        Refused(Message(), message => message.Id = "", "MigrationStatus.id");
        Refused(Message(), message => message.Id = "42", "MigrationStatus.id");
        Refused(Message(), message => message.VmId = new string('x', 100_000), "MigrationStatus.vm_id");
        Refused(Message(), message => message.State = Contract.MigrationState.Unspecified, "MigrationStatus.state");
        Refused(Message(), message => message.State = (Contract.MigrationState)77, "MigrationStatus.state");
        Refused(Message(), message => message.ErrorReason = (Contract.FailureReason)(-1), "MigrationStatus.error_reason");
        Refused(Message(), message => message.StartedAt = null, "MigrationStatus.started_at");
        Refused(Message(), message => message.StartedAt = new() { Seconds = long.MaxValue }, "MigrationStatus.started_at");
        Refused(Message(), message => message.Progress = null, "MigrationStatus.progress");
        Refused(Message(), message => message.Result.Downtime = null, "MigrationResult.downtime");
        Refused(Message(), message => message.Result.Downtime = new() { Seconds = 1, Nanos = -1 }, "MigrationResult.downtime");
        Refused(Message(), message => message.Result.DowntimeParts = null, "MigrationResult.downtime_parts");
    }

    [Fact]
    public void Nothing_but_what_is_known_of_a_disk_transfer_is_taken()
    {
        static Contract.DiskTransferStatus Status() => SampleDisks.Status().ToMessage();
        Refused(Status(), message => message.Id = "", message => message.ToRecord(), "DiskTransferStatus.id");
        Refused(Status(), message => message.State = 0, message => message.ToRecord(), "DiskTransferStatus.state");
        Refused(Status(), message => message.State = (Contract.DiskTransferState)77, message => message.ToRecord(), "DiskTransferStatus.state");
        Refused(Status(), message => message.Options = null, message => message.ToRecord(), "DiskTransferStatus.options");
        Refused(Status(), message => message.Options.DestinationFormat = (Contract.DiskFormat)9, message => message.ToRecord(),
            "DiskTransferOptions.destination_format");
        Refused(Status(), message => message.Options.Compression = (Contract.DiskCompression)9, message => message.ToRecord(),
            "DiskTransferOptions.compression");
        Refused(Status(), message => message.Resumption = null, message => message.ToRecord(), "DiskTransferStatus.resumption");
        Refused(Status(), message => message.Resumption.Kind = 0, message => message.ToRecord(), "DiskResumption.kind");
        Refused(Status(), message => message.StartedAt = null, message => message.ToRecord(), "DiskTransferStatus.started_at");
        Refused(Status(), message => message.FragmentId = "x", message => message.ToRecord(), "DiskTransferStatus.fragment_id");

        static Contract.IncomingDiskRequest Request() => SampleDisks.Request().ToMessage();
        Refused(Request(), message => message.TransferId = "", message => message.ToRecord(), "IncomingDiskRequest.transfer_id");
        Refused(Request(), message => message.Source = null, message => message.ToRecord(), "IncomingDiskRequest.source");
        Refused(Request(), message => message.Source.Path = "", message => message.ToRecord(), "DiskDescription.path");
        Refused(Request(), message => message.Source.HostName = "", message => message.ToRecord(), "DiskDescription.host_name");
        Refused(Request(), message => message.Source.Format = 0, message => message.ToRecord(), "DiskDescription.format");
        Refused(Request(), message => message.Source.Generation = null, message => message.ToRecord(), "DiskDescription.generation");
        Refused(Request(), message => message.Options = null, message => message.ToRecord(), "IncomingDiskRequest.options");
        Refused(Request(), message => message.PathId = "", message => message.ToRecord(), "IncomingDiskRequest.path_id");
    }

    [Fact]
    public void An_offer_that_does_not_name_its_protection_is_refused_instead_of_taken_as_plain()
    {
        var message = new Contract.IncomingOffer
        {
            MigrationId = Guid.NewGuid().ToString(), DestinationHostName = "b", Address = "127.0.0.1", Port = 1,
            Ticket = ByteString.CopyFrom(new byte[32]),
        };
        AssertViolation("IncomingOffer.security", () => message.ToRecord());
    }

    [Fact]
    public void Messages_that_are_empty_or_of_another_kind_are_refused_and_crash_nothing()
    {
        // Every message, filled with nothing and with bytes that mean other fields: a record or the one refusal, never another exception.
        Func<byte[], object>[] readers =
        [
            bytes => Contract.HostDescription.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.VmDescription.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.VmSpecification.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.MigrationStatus.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.MigrationRequest.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.IncomingRequest.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.IncomingOffer.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.MobilityPathEnd.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.VmDisk.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.DiskDescription.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.DiskFragment.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.IncomingDiskRequest.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.IncomingDiskOffer.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.DiskTransferRequest.Parser.ParseFrom(bytes).ToRecord(),
            bytes => Contract.DiskTransferStatus.Parser.ParseFrom(bytes).ToRecord(),
        ];
        byte[] other = SampleVms.Status(Guid.NewGuid(), SampleVms.Embedded(), MigrationState.Precopy).ToMessage().ToByteArray();
        foreach (Func<byte[], object> read in readers) AssertViolation("is missing", () => read([]), orUuid: true);
        foreach (Func<byte[], object> read in readers.Where((_, i) => i != 3))
        {
            Exception? error = Record.Exception(() => read(other));
            Assert.True(error is null or MigrationException { Reason: MigrationErrorReason.ProtocolViolation } or InvalidProtocolBufferException,
                $"{error}");
        }
    }

    [Fact]
    public void A_specification_for_both_hypervisors_or_none_is_refused_before_it_is_sent()
    {
        VmSpecification both = SampleVms.Embedded() with { Qemu = new() };
        VmSpecification none = SampleVms.Embedded() with { Embedded = null };
        foreach (VmSpecification specification in new[] { both, none })
        {
            MigrationException error = Assert.Throws<MigrationException>(() => specification.ToMessage());
            Assert.Equal(MigrationErrorReason.InvalidArgument, error.Reason);
        }
    }

    [Fact]
    public void A_time_longer_than_a_message_holds_is_the_callers_mistake()
    {
        MigrationException error = Assert.Throws<MigrationException>(
            () => new MigrationOptions { DowntimeLimit = TimeSpan.MaxValue }.ToMessage());
        Assert.Equal(MigrationErrorReason.InvalidArgument, error.Reason);
    }

    [Fact]
    public void A_failure_stays_small_enough_for_a_trailer_whatever_it_says()
    {
        string endless = string.Concat(Enumerable.Repeat("😀", 100_000));
        Grpc.Core.RpcException error = FailureTrailer.ToRpc(new(MigrationErrorReason.HypervisorFailed, "x" + endless, endless));

        MigrationException read = FailureTrailer.Read(error)!;
        Assert.Equal(MigrationErrorReason.HypervisorFailed, read.Reason);
        Assert.EndsWith("😀…", read.Message, StringComparison.Ordinal);
        Assert.InRange(error.Trailers.GetValueBytes(FailureTrailer.Name)!.Length, 1000, 24 << 10);
    }

    private static void Refused(Contract.MigrationStatus message, Action<Contract.MigrationStatus> spoil, string field) =>
        Refused(message, spoil, spoiled => spoiled.ToRecord(), field);

    private static void Refused<TMessage>(TMessage message, Action<TMessage> spoil, Func<TMessage, object> read, string field)
    {
        _ = read(message);
        spoil(message);
        AssertViolation(field, () => read(message));
    }

    private static void AssertViolation(string expected, Func<object> read, bool orUuid = false)
    {
        MigrationException error = Assert.Throws<MigrationException>(() => { read(); });
        Assert.Equal(MigrationErrorReason.ProtocolViolation, error.Reason);
        Assert.True(error.Message.Contains(expected, StringComparison.Ordinal)
            || (orUuid && error.Message.Contains("UUID", StringComparison.Ordinal)), error.Message);
        Assert.InRange(error.Message.Length, 1, 300);
        Assert.NotNull(error.RecommendedAction);
    }
}
